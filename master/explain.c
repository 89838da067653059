/* explain.c: see explain.h. A request becomes a job, and each source that is to be read for it a task; of all tasks the
 * first TASKS_MAX run, in the order in which they were asked for.
 *
 *     job --- its tasks ---> WAITING -> RUNNING -> done      the last one's end, or the deadline, is the answer
 *
 * A client that goes away isn't noticed before it's answered. A job holds on to zones and their sources: whoever closes
 * them has to call explain_finish first. */
#include "master/explain.h"

#include "common/mem.h"
#include "master/explain_zone.h"

#include <stdlib.h>
#include <string.h>

#define TASKS_MAX 4
#define ADDRESS_SHOWN 100      /* of one that is none */

struct job;

struct task {
	struct job *job;
	struct explain_zone *zone;
	size_t source;
	struct address keys[LOOKUP_KEYS_MAX];
	size_t which[LOOKUP_KEYS_MAX];
	size_t count;
	struct probe *probe;         /* while it runs */
	bool done;
	struct task *next;           /* of all jobs, oldest first */
};

struct job {
	struct explain *explain;
	struct control_request *request;
	char *address;
	struct explain_zone *zones;
	size_t zone_count;
	size_t unfinished;           /* tasks */
	struct timer deadline;
	struct job *next;
};

struct explain {
	struct loop *loop;
	struct job *jobs;
	struct task *tasks;
	size_t running;
	struct timer turn;
};

/* ---- The answer ---- */

static void free_job(struct job *job)
{
	for (size_t i = 0; i < job->zone_count; i++)
		json_decref(job->zones[i].json);
	free(job->zones);
	free(job->address);
	free(job);
}

static void reply(struct job *job)
{
	struct buf out = {0};
	struct why why;
	json_t *zones = json_array();
	for (size_t i = 0; i < job->zone_count; i++)
		json_array_append_new(zones, explain_zone_end(&job->zones[i]));
	if (answer_print("rxfer-master", job->address, zones, &out, &why) == RC_OK)
		control_reply(job->request, buf_text(&out), out.length);
	else
		control_refuse(job->request, "%.*s: %s", ADDRESS_SHOWN, job->address, why.text);
	json_decref(zones);
	buf_free(&out);
}

static void drop_tasks(struct job *job)
{
	struct explain *explain = job->explain;
	for (struct task **at = &explain->tasks; *at;) {
		struct task *task = *at;
		if (task->job != job) {
			at = &task->next;
			continue;
		}
		*at = task->next;
		explain->running -= task->probe != NULL;
		probe_abandon(&task->probe);
		free(task);
	}
}

static void finish_job(struct job *job)
{
	struct explain *explain = job->explain;
	struct job **at = &explain->jobs;
	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	loop_timer_clear(explain->loop, &job->deadline);
	drop_tasks(job);
	reply(job);
	free_job(job);
}

/* With what is known by now. */
static void break_off(struct job *job, const char *reason)
{
	const struct probe_result result = {.error = reason};
	for (struct task *task = job->explain->tasks; task; task = task->next)
		if (task->job == job && !task->done)
			explain_zone_take(task->zone, task->source, &result, task->which, task->count);
	finish_job(job);
}

/* ---- Tasks ---- */

static void take_turns(void *context);

static void on_result(void *context, const struct probe_result *result)
{
	struct task *task = context;
	struct job *job = task->job;
	struct explain *explain = job->explain;
	if (task->probe)
		explain->running--;
	task->probe = NULL;
	task->done = true;
	explain_zone_take(task->zone, task->source, result, task->which, task->count);
	loop_defer(explain->loop, &explain->turn, take_turns, explain);
	if (--job->unfinished == 0)
		finish_job(job);
}

static void start(struct explain *explain, struct task *task)
{
	struct why why;
	const struct probe_spec spec = {
		.source = &zone_spec(task->zone->zone)->sources[task->source], .keys = task->keys, .count = task->count,
		.end = on_result, .context = task,
	};
	if (probe_start(explain->loop, &spec, &task->probe, &why) == RC_OK) {
		explain->running++;
		return;
	}
	const struct probe_result result = {.error = why.text};
	on_result(task, &result);
}

static struct task *next_waiting(const struct explain *explain)
{
	struct task *task = explain->tasks;
	while (task && (task->done || task->probe))
		task = task->next;
	return task;
}

static void take_turns(void *context)
{
	struct explain *explain = context;
	struct task *task;
	while (explain->running < TASKS_MAX && (task = next_waiting(explain)) != NULL)
		start(explain, task);
}

static void add_task(struct job *job, struct explain_zone *zone, size_t source)
{
	struct task *task = mem_zalloc(sizeof *task);
	task->count = explain_zone_wants(zone, source, task->keys, task->which);
	if (task->count == 0) {
		free(task);
		return;
	}
	struct task **end = &job->explain->tasks;
	while (*end)
		end = &(*end)->next;
	*end = task;
	task->job = job;
	task->zone = zone;
	task->source = source;
	job->unfinished++;
}

/* ---- Requests ---- */

static void on_deadline(void *context)
{
	char reason[WHY_MAX];
	struct why why;
	(void)why_set(&why, RC_AGAIN, "there wasn't the time: not done after %d s", EXPLAIN_MS / 1000);
	memcpy(reason, why.text, sizeof reason);
	break_off(context, reason);
}

static enum rc begin_zones(struct job *job, const struct status_facts *facts, struct why *why)
{
	enum rc rc = RC_OK;
	job->zones = mem_zalloc((facts->zone_count + 1) * sizeof *job->zones);
	for (size_t i = 0; rc == RC_OK && i < facts->zone_count; i++) {
		rc = explain_zone_begin(&job->zones[i], facts, facts->zones[i], job->address, why);
		job->zone_count += rc == RC_OK;
	}
	return rc;
}

void explain_request(struct explain *explain, const struct status_facts *facts, struct control_request *request)
{
	const char *address = control_word(request, 1), *word = control_word(request, 2);
	struct why why;
	if (!address || (word && strcmp(word, "brief") != 0)) {
		control_refuse(request, "explain: say one address");
		return;
	}
	struct job *job = mem_zalloc(sizeof *job);
	job->explain = explain;
	job->request = request;
	job->address = mem_strdup(address);
	if (begin_zones(job, facts, &why) != RC_OK) {
		control_refuse(request, "%.*s: %s", ADDRESS_SHOWN, address, why.text);
		free_job(job);
		return;
	}
	job->next = explain->jobs;
	explain->jobs = job;
	for (size_t i = 0; !word && i < job->zone_count; i++)
		for (size_t j = 0; j < zone_source_count(job->zones[i].zone); j++)
			add_task(job, &job->zones[i], j);
	if (job->unfinished == 0) {
		finish_job(job);
		return;
	}
	loop_timer_after(explain->loop, &job->deadline, EXPLAIN_MS, on_deadline, job);
	loop_defer(explain->loop, &explain->turn, take_turns, explain);
}

/* ---- Beginning and end ---- */

struct explain *explain_new(struct loop *loop)
{
	struct explain *explain = mem_zalloc(sizeof *explain);
	explain->loop = loop;
	return explain;
}

void explain_finish(struct explain *explain)
{
	while (explain->jobs)
		break_off(explain->jobs, "the master read its configuration again, or ended, meanwhile: ask again");
}

void explain_free(struct explain **explain)
{
	if (*explain)
		loop_timer_clear((*explain)->loop, &(*explain)->turn);
	free(*explain);
	*explain = NULL;
}
