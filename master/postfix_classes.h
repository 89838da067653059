/* postfix_classes.h: who is valid in each class: from the parameters to the plan's sources, recipients and exceptions. */
#ifndef MASTER_POSTFIX_CLASSES_H
#define MASTER_POSTFIX_CLASSES_H

#include "postfix/postconf.h"
#include "master/postfix_plan.h"
#include "master/postfix_world.h"

struct postfix_classes_spec {
	const struct postconf *smtpd;       /* with the overrides of the smtpd that strangers reach */
	const struct postconf *rewrite;     /* with those of trivial-rewrite, which knows classes and transports */
	const struct buf *types;            /* that this Postfix was built with, one a line */
};

/* Fills everything of an empty plan. What can't be found out is among its problems. */
void postfix_classes_find(const struct postfix_classes_spec *spec, const struct postfix_world *world,
                          struct postfix_plan *plan);

/* transport_maps, relocated_maps and the classes' own transports. After the domains are known. */
void postfix_transport_find(const struct postfix_classes_spec *spec, const struct postfix_world *world,
                            struct postfix_plan *plan);

#endif
