/* publisher_keys.c: what this master says of its keys, to whom, and who has answered.
 *
 * It's said after WELCOME, when it changes, and again with the upkeep to those who haven't answered that they keep it:
 * a queue may have been full, or a disk at the other end. */
#include "master/publisher_private.h"

static void tell(struct publisher *publisher, struct publisher_client *client)
{
	const struct message message = {.type = MESSAGE_KEYS, .handover = publisher->handover};
	(void)publisher_tell(publisher, client, &message);
}

void publisher_keys_tell(struct publisher *publisher, struct publisher_client *client)
{
	if (publisher->has_handover && client->greeted && client->version >= PROTOCOL_VERSION_KEYS && !client->kept)
		tell(publisher, client);
}

void publisher_keys(struct publisher *publisher, const struct handover *handover)
{
	publisher->handover = *handover;
	publisher->has_handover = true;
	for (size_t i = 0; i < publisher->client_count; i++) {
		publisher->clients[i].kept = false;
		publisher_keys_tell(publisher, &publisher->clients[i]);
	}
}

void publisher_on_kept(struct publisher *publisher, publisher_kept *kept, void *context)
{
	publisher->on_kept = kept;
	publisher->kept_context = context;
}

void publisher_keys_kept(struct publisher *publisher, struct publisher_client *client, const struct handover *shown)
{
	const struct pubkey key = client->spec.key;
	client->kept = publisher->has_handover && handover_agrees(shown, &publisher->handover);
	if (publisher->on_kept)
		publisher->on_kept(publisher->kept_context, &key, shown);
}
