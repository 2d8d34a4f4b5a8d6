/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns_names.c - asking in time, and keeping what was good.
 *
 * Answers may come while a question is being asked, and may bring or drop names. So names are freed
 * only in sweep(), by the timer, when nobody holds one.
 */
#include "discovery/dns_names.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/clock.h"
#include "core/fault.h"
#include "core/log.h"
#include "core/random.h"
#include "core/text.h"

struct dns_names {
    struct dns_names_options options;
    struct event *timer;
    struct dns_name *table;
    int64_t timer_ms; /* when the timer rings */
    unsigned asking;
    bool is_sweeping;
    bool is_closing;
    uint64_t seed;
};

const char *name_state_word(enum name_state state)
{
    switch (state) {
    case NAME_PENDING:
        return "pending";
    case NAME_GOOD:
        return "ok";
    case NAME_STALE:
        return "stale";
    case NAME_FAILED:
        return "failed";
    }
    return "";
}

static uint32_t draw(struct dns_names *names)
{
    return (uint32_t)(random_next(&names->seed) >> 32);
}

/* Makes the timer ring at `due_ms` at the latest. */
static void ring_at(struct dns_names *names, int64_t due_ms)
{
    int64_t wait_ms = due_ms - clock_now_ms();
    struct timeval wait;

    if (names->is_sweeping || due_ms >= names->timer_ms)
        return;
    wait_ms = wait_ms < 0 ? 0 : wait_ms;
    wait.tv_sec = wait_ms / 1000;
    wait.tv_usec = wait_ms % 1000 * 1000;
    names->timer_ms = due_ms;
    evtimer_add(names->timer, &wait);
}

static void tell(struct dns_names *names)
{
    if (!names->is_closing)
        names->options.changed(names->options.argument);
}

/* ---- answers ----------------------------------------------------------------------------------
 */

/* Without another user the name goes soon. */
static void drop_user(struct dns_name *name)
{
    assert(name->users > 0);
    if (--name->users == 0)
        ring_at(name->names, 0);
}

static void drop_targets(struct dns_name **targets, unsigned count)
{
    for (unsigned i = 0; targets != NULL && i < count; i++)
        drop_user(targets[i]);
    free(targets);
}

static void forget_answer(struct dns_name *name)
{
    drop_targets(name->targets, name->srv.count);
    srv_answer_release(&name->srv);
    free(name->addrs);
    name->targets = NULL;
    name->addrs = NULL;
    name->addr_count = 0;
    name->kept = 0;
}

static void begin_event(struct log_event *event, enum log_level level, const char *word,
                        const struct dns_name *name)
{
    log_event_begin(event, level, word);
    log_event_string(event, "name", name->text);
    log_event_string(event, "type", name->is_srv ? "srv" : "host");
}

static const char *effect_of(const struct dns_name *name)
{
    if (name->state == NAME_FAILED)
        return "there is no server";
    if (name->is_told_partly)
        return name->kept == RESOLVER_IPV4 ? "the last IPv4 addresses are kept"
                                           : "the last IPv6 addresses are kept";
    return "the last answer is kept";
}

/* One record per change of state. */
static void enter(struct dns_name *name, enum name_state state, int64_t now_ms)
{
    struct log_event event;
    enum name_state before = name->state;

    if (state == before)
        return;
    name->state = state;
    name->since_ms = now_ms;
    switch (state) {
    case NAME_PENDING:
        break;
    case NAME_GOOD:
        if (before == NAME_PENDING)
            break;
        begin_event(&event, LOG_INFO, "dns_recovered", name);
        log_event_string(&event, "from", name_state_word(before));
        log_event_post(&event);
        break;
    case NAME_STALE:
    case NAME_FAILED:
        /* The name that has a target tells what it comes to. */
        begin_event(&event, name->is_target ? LOG_INFO : LOG_WARN,
                    before == NAME_STALE ? "dns_expired" : "dns_failed", name);
        log_event_string(&event, "result", resolver_result_word(name->result));
        log_event_string(&event, "cause", resolver_result_text(name->result));
        log_event_string(&event, "effect", effect_of(name));
        log_event_post(&event);
        break;
    }
}

static int compare_addrs(const void *a_pointer, const void *b_pointer)
{
    const struct addr *a = a_pointer;
    const struct addr *b = b_pointer;

    if (a->family != b->family)
        return a->family == AF_INET ? -1 : 1;
    return a->family == AF_INET ? memcmp(&a->v4, &b->v4, sizeof(a->v4))
                                : memcmp(&a->v6, &b->v6, sizeof(a->v6));
}

static bool are_same_addrs(const struct dns_name *name, const struct addr *addrs, size_t count)
{
    if (count != name->addr_count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!addr_equal(&name->addrs[i], &addrs[i]))
            return false;
    }
    return true;
}

/* False without memory. DNS servers rotate addresses: their order says nothing. Those of a family
   that the answer tells nothing of stay. */
static bool take_addresses(struct dns_name *name, const struct resolver_answer *answer,
                           bool *has_changed)
{
    size_t count = answer->addr_count;
    struct addr *addrs = calloc(count + name->addr_count, sizeof(*addrs));

    if (addrs == NULL)
        return false;
    memcpy(addrs, answer->addrs, count * sizeof(*addrs));
    for (unsigned i = 0; i < name->addr_count; i++) {
        if ((resolver_families(&name->addrs[i], 1) & answer->unknown) != 0)
            addrs[count++] = name->addrs[i];
    }
    qsort(addrs, count, sizeof(*addrs), compare_addrs);
    *has_changed = !are_same_addrs(name, addrs, count);
    free(name->addrs);
    name->addrs = addrs;
    name->addr_count = (unsigned)count;
    return true;
}

/* The addresses that were kept go. */
static void drop_kept(struct dns_name *name)
{
    unsigned count = 0;

    for (unsigned i = 0; i < name->addr_count; i++) {
        if ((resolver_families(&name->addrs[i], 1) & name->kept) == 0)
            name->addrs[count++] = name->addrs[i];
    }
    name->addr_count = count;
    name->kept = 0;
}

static bool are_same_records(const struct srv_answer *a, const struct srv_answer *b)
{
    if (a->count != b->count)
        return false;
    for (unsigned i = 0; i < a->count; i++) {
        const struct srv_record *one = &a->records[i];
        const struct srv_record *other = &b->records[i];

        if (one->priority != other->priority || one->weight != other->weight ||
            one->port != other->port || strcmp(one->target, other->target) != 0)
            return false;
    }
    return true;
}

/* The names of all targets, each used once more. NULL without memory. */
static struct dns_name **use_targets(struct dns_names *names, const struct srv_answer *srv)
{
    struct dns_name **targets = calloc(srv->count + 1, sizeof(struct dns_name *));

    for (unsigned i = 0; targets != NULL && i < srv->count; i++) {
        char absolute[SRV_TARGET_BYTES + 1];

        /* A target is a whole name: the search list has no say (RFC 2782). */
        snprintf(absolute, sizeof(absolute), "%s.", srv->records[i].target);
        targets[i] = dns_names_use(names, absolute, false, true);
        if (targets[i] == NULL) {
            drop_targets(targets, i);
            return NULL;
        }
    }
    return targets;
}

static enum resolver_result take_records(struct dns_name *name,
                                         const struct resolver_answer *answer, uint32_t *ttl_s,
                                         bool *has_changed)
{
    struct srv_answer srv;
    enum resolver_result result = RESOLVER_OK;
    struct dns_name **targets;

    switch (srv_answer_read(answer->message, answer->message_size, &srv)) {
    case SRV_READ:
        break;
    case SRV_EMPTY:
        result = RESOLVER_NODATA;
        break;
    case SRV_MALFORMED:
        result = RESOLVER_BAD_ANSWER;
        break;
    case SRV_NO_MEMORY:
        result = RESOLVER_NO_RESOURCES;
        break;
    }
    if (result == RESOLVER_OK) {
        *ttl_s = srv.ttl_s;
        *has_changed = !are_same_records(&srv, &name->srv);
    }
    if (result != RESOLVER_OK || !*has_changed) {
        srv_answer_release(&srv);
        return result;
    }
    targets = use_targets(name->names, &srv);
    if (targets == NULL) {
        srv_answer_release(&srv);
        return RESOLVER_NO_RESOURCES;
    }
    forget_answer(name); /* behind use_targets(): those that stay keep what they know */
    name->srv = srv;
    name->targets = targets;
    return RESOLVER_OK;
}

static void succeed(struct dns_name *name, uint32_t ttl_s, bool has_changed, int64_t now_ms)
{
    struct dns_names *names = name->names;
    bool was_good = name->state == NAME_GOOD;

    name->has_expired = false;
    name->is_told_partly = false;
    name->kept = 0;
    ask_schedule_succeeded(&name->schedule, &names->options.rules, ttl_s, draw(names), now_ms);
    enter(name, NAME_GOOD, now_ms);
    if (has_changed || !was_good)
        tell(names);
}

/* The family of which nothing was told for too long goes; the other has an answer of its own. */
static void expire_kept(struct dns_name *name, int64_t now_ms)
{
    struct log_event event;

    begin_event(&event, name->is_target ? LOG_INFO : LOG_WARN, "dns_expired", name);
    log_event_string(&event, "result", resolver_result_word(name->result));
    log_event_string(&event, "cause", resolver_result_text(name->result));
    log_event_string(&event, "effect",
                     name->kept == RESOLVER_IPV4 ? "the last IPv4 addresses are gone"
                                                 : "the last IPv6 addresses are gone");
    log_event_post(&event);
    drop_kept(name);
    ask_schedule_give_up_part(&name->schedule, name->partly_ms, !name->is_told_partly);
    name->has_expired = true;
    if (name->is_told_partly) {
        name->state = NAME_GOOD;
        name->since_ms = now_ms;
    }
    tell(name->names);
}

/* Whether the last good answer is too old now; then it goes. */
static void expire(struct dns_name *name, int64_t now_ms)
{
    const struct ask_rules *rules = &name->names->options.rules;

    if (!ask_schedule_expire(&name->schedule, rules, now_ms))
        return;
    if (name->kept != 0) {
        expire_kept(name, now_ms);
        if (!ask_schedule_expire(&name->schedule, rules, now_ms))
            return;
    }
    forget_answer(name);
    name->has_expired = true;
    enter(name, NAME_FAILED, now_ms);
    tell(name->names);
}

static void fail(struct dns_name *name, int64_t now_ms)
{
    struct dns_names *names = name->names;
    enum name_state before = name->state;

    name->is_told_partly = false;
    ask_schedule_failed(&name->schedule, &names->options.rules, draw(names), now_ms);
    if (fault_is(FAULT_DNS_DROP_STALE)) {
        forget_answer(name);
        name->schedule.answered_ms = 0;
    }
    enter(name, name->schedule.answered_ms != 0 ? NAME_STALE : NAME_FAILED, now_ms);
    if (name->state != before)
        tell(names);
    expire(name, now_ms);
}

/* The answer is good but for the families that are kept. */
static void succeed_partly(struct dns_name *name, uint32_t ttl_s, unsigned kept, bool has_changed,
                           int64_t now_ms)
{
    struct dns_names *names = name->names;
    enum name_state before = name->state;

    /* Who is kept from now on was told until then. */
    if (name->kept != 0 && name->kept != kept)
        name->schedule.answered_ms = name->partly_ms;
    name->kept = kept;
    name->partly_ms = now_ms;
    name->is_told_partly = true;
    ask_schedule_succeeded_partly(&name->schedule, &names->options.rules, ttl_s, draw(names),
                                  now_ms);
    enter(name, NAME_STALE, now_ms);
    if (has_changed || name->state != before)
        tell(names);
    expire(name, now_ms);
}

static void on_answer(void *argument, const struct resolver_answer *answer)
{
    struct dns_name *name = argument;
    struct dns_names *names = name->names;
    int64_t now_ms = clock_now_ms();
    uint32_t ttl_s = answer->from_files ? ASK_FILES_TTL_S : answer->ttl_s;
    bool has_changed = false;
    bool is_partial;
    unsigned kept;

    names->asking--;
    name->is_asking = false;
    name->result = answer->result;
    if (answer->result == RESOLVER_OK && name->is_srv)
        name->result = take_records(name, answer, &ttl_s, &has_changed);
    else if (answer->result == RESOLVER_OK && !take_addresses(name, answer, &has_changed))
        name->result = RESOLVER_NO_RESOURCES;
    /* What has expired meanwhile is not kept. */
    kept = answer->unknown & resolver_families(name->addrs, name->addr_count);
    is_partial = name->result == RESOLVER_OK && kept != 0;
    if (is_partial)
        name->result = answer->unknown_result;
    name->lookups[name->result]++;
    if (is_partial)
        succeed_partly(name, ttl_s, kept, has_changed, now_ms);
    else if (name->result == RESOLVER_OK)
        succeed(name, ttl_s, has_changed, now_ms);
    else
        fail(name, now_ms);
    ring_at(names, ask_schedule_next_ms(&name->schedule, &names->options.rules));
    /* Somebody may wait for this turn. */
    if (names->asking == DNS_QUESTIONS_MAX - 1)
        ring_at(names, now_ms);
}

/* ---- questions --------------------------------------------------------------------------------
 */

static void ask(struct dns_name *name, int64_t now_ms)
{
    struct dns_names *names = name->names;

    names->asking++;
    name->is_asking = true;
    ask_schedule_asked(&name->schedule, now_ms);
    if (name->is_srv)
        resolver_ask_srv(names->options.resolver, name->text, on_answer, name);
    else
        resolver_ask_addresses(names->options.resolver, name->text,
                               resolver_families(name->addrs, name->addr_count), on_answer, name);
}

static void name_free(struct dns_name *name)
{
    free(name->addrs);
    free(name->targets);
    srv_answer_release(&name->srv);
    free(name->text);
    free(name->key);
    free(name);
}

/* Frees names without users. Dropping an SRV name's targets may leave more of them. */
static void sweep(struct dns_names *names)
{
    struct dns_name *next;

    for (struct dns_name *name = names->table; name != NULL; name = next) {
        next = name->hh.next;
        if (name->users > 0 || name->is_asking)
            continue;
        forget_answer(name);
        HASH_DEL(names->table, name);
        name_free(name);
    }
}

static void on_timer(evutil_socket_t fd, short what, void *argument)
{
    struct dns_names *names = argument;
    int64_t now_ms = clock_now_ms();
    int64_t next_ms = INT64_MAX;

    (void)fd;
    (void)what;
    names->is_sweeping = true;
    names->timer_ms = INT64_MAX;
    sweep(names);
    /* Names that an answer brings meanwhile are appended, so this comes to them, too. */
    for (struct dns_name *name = names->table; name != NULL; name = name->hh.next) {
        if (name->users == 0)
            continue;
        expire(name, now_ms);
        if (!name->is_asking && name->schedule.due_ms <= now_ms &&
            names->asking < DNS_QUESTIONS_MAX)
            ask(name, now_ms);
    }
    for (struct dns_name *name = names->table; name != NULL; name = name->hh.next) {
        int64_t due_ms = ask_schedule_next_ms(&name->schedule, &names->options.rules);

        /* One that is being asked, or has no turn, is looked at again when an answer comes. */
        if (name->users > 0 && !name->is_asking && due_ms > now_ms && due_ms < next_ms)
            next_ms = due_ms;
        if (name->users > 0 && !name->is_asking && due_ms <= now_ms &&
            names->asking < DNS_QUESTIONS_MAX)
            next_ms = now_ms;
    }
    names->is_sweeping = false;
    if (next_ms != INT64_MAX)
        ring_at(names, next_ms);
}

struct dns_name *dns_names_use(struct dns_names *names, const char *text, bool is_srv,
                               bool is_target)
{
    struct dns_name *name;
    char *key = NULL;
    size_t length = strlen(text);

    if (asprintf(&key, "%s%s", is_srv ? "srv:" : "", text) == -1)
        return NULL;
    for (char *byte = key; *byte != '\0'; byte++)
        *byte = text_lower(*byte);
    HASH_FIND_STR(names->table, key, name);
    if (name != NULL) {
        free(key);
        name->users++;
        name->is_target &= is_target;
        return name;
    }
    name = calloc(1, sizeof(*name));
    if (name == NULL || (name->text = strndup(text, length)) == NULL) {
        free(name);
        free(key);
        return NULL;
    }
    name->names = names;
    name->key = key;
    name->is_srv = is_srv;
    name->is_target = is_target;
    name->users = 1;
    name->since_ms = clock_now_ms();
    HASH_ADD_KEYPTR(hh, names->table, name->key, strlen(name->key), name);
    if (name->hh.tbl == NULL) {
        name_free(name);
        return NULL;
    }
    ring_at(names, 0);
    return name;
}

void dns_names_hurry(struct dns_name *name)
{
    ask_schedule_hurry(&name->schedule, &name->names->options.rules);
    ring_at(name->names, name->schedule.due_ms);
    for (unsigned i = 0; name->targets != NULL && i < name->srv.count; i++) {
        ask_schedule_hurry(&name->targets[i]->schedule, &name->names->options.rules);
        ring_at(name->names, name->targets[i]->schedule.due_ms);
    }
}

bool dns_name_has_expired(const struct dns_name *name)
{
    bool has_expired = name->has_expired;

    for (unsigned i = 0; name->targets != NULL && i < name->srv.count; i++)
        has_expired |= name->targets[i]->has_expired;
    return has_expired;
}

bool dns_name_is_pending(const struct dns_name *name)
{
    if (name->state == NAME_PENDING)
        return true;
    for (unsigned i = 0; name->targets != NULL && i < name->srv.count; i++) {
        if (name->targets[i]->state == NAME_PENDING)
            return true;
    }
    return false;
}

struct dns_name *dns_names_first(const struct dns_names *names)
{
    return names->table;
}

struct dns_names *dns_names_create(struct event_base *base, const struct dns_names_options *options,
                                   struct error *error)
{
    struct dns_names *names = calloc(1, sizeof(*names));

    if (names != NULL) {
        names->options = *options;
        names->timer_ms = INT64_MAX;
        names->seed = (uint64_t)clock_wall_us() | 1;
        names->timer = evtimer_new(base, on_timer, names);
        if (names->timer != NULL)
            return names;
    }
    free(names);
    error_set(error, EX_OSERR, "out of memory");
    return NULL;
}

void dns_names_destroy(struct dns_names *names)
{
    struct dns_name *name;
    struct dns_name *next;

    if (names == NULL)
        return;
    names->is_closing = true;
    HASH_ITER(hh, names->table, name, next)
    {
        HASH_DEL(names->table, name);
        name_free(name);
    }
    event_free(names->timer);
    free(names);
}
