/* soa_same.h: two announcements compared field by field, by what they encode to: a struct's padding says nothing. */
#ifndef TESTS_UNIT_SOA_SAME_H
#define TESTS_UNIT_SOA_SAME_H

#include "common/soa.h"

static void assert_soa_equal(const struct soa *a, const struct soa *b)
{
	struct buf of_a = {0}, of_b = {0};
	soa_encode(&of_a, a);
	soa_encode(&of_b, b);
	assert_int_equal(of_a.length, of_b.length);
	assert_memory_equal(of_a.data, of_b.data, of_a.length);
	assert_memory_equal(a->content_hash, b->content_hash, sizeof(a->content_hash));
	buf_free(&of_a);
	buf_free(&of_b);
}

#endif
