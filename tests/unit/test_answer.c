/* What a zone says of a recipient: the verdict, by its own parameters. */
#include "tests/unit/zonedb_fixture.h"

#include "postfix/answer.h"

static struct zonedb *db;

static struct record made(enum record_type type, const char *key, const char *value)
{
	struct record record = record_make(type, key, strlen(key));
	record.value = value;
	record.value_length = (uint16_t)strlen(value);
	return record;
}

/* Contents: recipients and domains, by blanks; and parameters, each NAME VALUE. */
static void hold(const char *recipients, const char *domains, const char *delimiter)
{
	struct zonedb_builder *builder = NULL;
	struct soa soa = soa_of(1);
	db = open_zone();
	assert_int_equal(zonedb_build(db, &epoch, 10, &builder, NULL), RC_OK);
	const char *const lists[] = {recipients, domains};
	for (int i = 0; i < 2; i++) {
		char *copy = mem_strdup(lists[i]);
		uint64_t since = i == 0 ? 1 : 2;
		for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) {
			struct record record = made(i == 0 ? RECORD_RCPT : RECORD_DOMAIN, word, "");
			assert_int_equal(zonedb_build_add(builder, &record, since, NULL), RC_OK);
			since += 10;
		}
		free(copy);
	}
	if (delimiter) {
		struct record record = made(RECORD_PARAM, "recipient_delimiter", delimiter);
		assert_int_equal(zonedb_build_add(builder, &record, 1, NULL), RC_OK);
	}
	soa.kind = SOA_SNAPSHOT;
	soa.digest = zonedb_build_digest(builder);
	soa.count = zonedb_build_count(builder);
	soa_sign(&soa, signer);
	assert_int_equal(zonedb_build_finish(&builder, &soa, (struct wall){1}, NULL), RC_OK);
}

static enum answer_verdict ask(const char *address, struct answer *out, char sentence[WHY_MAX])
{
	struct why why = {""};
	if (answer_ask(db, address, out, &why) != RC_OK)
		fail_msg("%s: %s", address, why.text);
	answer_sentence(out, sentence);
	return out->verdict;
}

static void verdicts(void **state)
{
	(void)state;
	struct answer answer;
	char sentence[WHY_MAX];
	hold("alice@a.org @b.org x%y@a.org", "a.org b.org", "+");
	assert_int_equal(ask("Alice@A.org", &answer, sentence), ANSWER_ACCEPT);
	assert_string_equal(sentence, "alice@a.org is listed");
	assert_int_equal(answer.keys[0].since, 1);
	assert_int_equal(answer.domain_since, 2);
	assert_int_equal(ask("alice+x@a.org", &answer, sentence), ANSWER_ACCEPT);
	assert_int_equal(answer_found(&answer), 1);
	assert_string_equal(sentence, "alice@a.org is listed, and what follows it is an extension");
	assert_int_equal(ask("any+x@b.org", &answer, sentence), ANSWER_ACCEPT);
	assert_int_equal(answer_found(&answer), 2);
	assert_string_equal(sentence, "everybody in b.org is accepted: @b.org is listed");
	assert_int_equal(ask("bob+x@a.org", &answer, sentence), ANSWER_REFUSE);
	assert_int_equal(answer_found(&answer), LOOKUP_KEYS_MAX);
	assert_string_equal(sentence, "none of the keys that smtpd asks for is listed");
	assert_int_equal(ask("x%y@a.org", &answer, sentence), ANSWER_REFUSE);
	assert_non_null(strstr(sentence, "allow_untrusted_routing"));
	assert_int_equal(ask("x%y@c.org", &answer, sentence), ANSWER_FOREIGN);
	assert_int_equal(ask("alice@sub.a.org", &answer, sentence), ANSWER_FOREIGN);
	assert_string_equal(sentence, "the zone doesn't have the domain sub.a.org");
	zonedb_close(&db);
}

static void without_parameters(void **state)
{
	(void)state;
	struct answer answer;
	char sentence[WHY_MAX];
	hold("alice@a.org", "a.org", NULL);
	assert_int_equal(ask("alice+x@a.org", &answer, sentence), ANSWER_REFUSE);
	assert_non_null(strstr(sentence, "the zone doesn't say what recipient_delimiter is"));
	assert_int_equal(ask("bob.x@a.org", &answer, sentence), ANSWER_REFUSE);
	assert_string_equal(sentence, "none of the keys that smtpd asks for is listed");
	zonedb_close(&db);
}

static void nothing_there(void **state)
{
	(void)state;
	struct answer answer;
	struct why why;
	char sentence[WHY_MAX];
	db = open_zone();
	assert_int_equal(ask("alice@a.org", &answer, sentence), ANSWER_DEFER);
	assert_int_equal(answer.lookup.count, 2);
	assert_int_equal(answer_ask(db, "alice", &answer, &why), RC_INVALID);
	json_t *json = answer_json(&answer, "z", db, "because");
	assert_int_equal(json_integer_value(json_object_get(json, "serial")), 0);
	assert_string_equal(json_string_value(json_object_get(json, "verdict")), "defer");
	json_decref(json);
	zonedb_close(&db);
}

static json_t *zone_of(const char *verdict, const char *asked)
{
	return json_pack("{s:s, s:s, s:[{s:s}]}", "verdict", verdict, "sentence", verdict, "lookups", "key", asked);
}

/* Any that accepts; else any that defers; else any that refuses. */
static void of_several_zones(void **state)
{
	(void)state;
	static const char *const order[] = {"foreign", "refuse", "defer", "accept"};
	for (size_t i = 0; i < 16; i++) {
		const char *a = order[i / 4], *b = order[i % 4], *wanted = order[i / 4 > i % 4 ? i / 4 : i % 4];
		struct buf out = {0};
		json_t *zones = json_array();
		json_array_append_new(zones, zone_of(a, "a"));
		json_array_append_new(zones, zone_of(b, "b"));
		assert_int_equal(answer_print("p", "A@a.org", zones, &out, NULL), RC_OK);
		json_t *json = json_loads(buf_text(&out), 0, NULL);
		assert_string_equal(json_string_value(json_object_get(json, "verdict")), wanted);
		assert_string_equal(json_string_value(json_object_get(json, "sentence")), wanted);
		assert_string_equal(json_string_value(json_object_get(json, "asked")), i / 4 >= i % 4 ? "a" : "b");
		json_decref(json);
		json_decref(zones);
		buf_free(&out);
	}
	struct buf out = {0};
	json_t *none = json_array();
	assert_int_equal(answer_print("p", "A+B@a.org", none, &out, NULL), RC_OK);
	assert_non_null(strstr(buf_text(&out), "\"asked\":\"a+b@a.org\",\"verdict\":\"foreign\""));
	assert_int_equal(answer_print("p", "a", none, &out, NULL), RC_INVALID);
	json_decref(none);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(verdicts, start),
		cmocka_unit_test_setup(without_parameters, start),
		cmocka_unit_test_setup(nothing_there, start),
		cmocka_unit_test_setup(of_several_zones, start),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
