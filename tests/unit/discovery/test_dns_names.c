/* SPDX-License-Identifier: Apache-2.0 */
/* test_dns_names.c - names asked for in time; good answers outlive bad ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "discovery/dns_names.h"
#include "discovery/dns_server.h"

struct fixture {
    struct event_base *base;
    struct dns_server server;
    struct resolver *resolver;
    struct dns_names *names;
    struct dns_name *name;
    unsigned changes;
    /* What the server says. */
    enum { SAY_ONE, SAY_TWO, SAY_FAIL, SAY_NOTHING, SAY_MANY, SAY_BOTH } mood;
    unsigned failing_type; /* SAY_BOTH: the type whose questions end with this code */
    unsigned failing_code;
    const char *v4;     /* SAY_BOTH: the address */
    unsigned questions; /* about what the test asks for */
    enum name_state wanted_state;
    unsigned wanted_count;
};

static void say_both(const struct fixture *fixture, const char *name, unsigned type, unsigned id,
                     struct message *answer)
{
    bool is_failing = type == fixture->failing_type;

    begin_answer(answer, id, is_failing ? fixture->failing_code : RCODE_OK, name, type);
    if (is_failing)
        return;
    if (type == TYPE_A)
        put_a(answer, name, 0, fixture->v4);
    else
        put_aaaa(answer, name, 0, "fd00::1");
}

static void script(void *argument, const char *name, unsigned type, unsigned id, bool is_tcp,
                   struct message *answer)
{
    struct fixture *fixture = argument;

    (void)is_tcp;
    if (fixture->mood == SAY_NOTHING)
        return;
    if (fixture->mood == SAY_BOTH) {
        say_both(fixture, name, type, id, answer);
        return;
    }
    begin_answer(answer, id, fixture->mood == SAY_FAIL ? RCODE_SERVFAIL : RCODE_OK, name, type);
    if (fixture->mood == SAY_FAIL || type == TYPE_AAAA)
        return;
    fixture->questions++;
    if (type == TYPE_SRV) {
        unsigned count = fixture->mood == SAY_MANY ? 60 : fixture->mood == SAY_TWO ? 2 : 1;

        for (unsigned i = 0; i < count; i++) {
            char target[32];

            snprintf(target, sizeof(target), "h%u.test", i);
            put_srv(answer, name, 0, 10 + i, 5, 5432, target);
        }
        return;
    }
    /* In an order that turns. */
    if (fixture->mood == SAY_TWO && fixture->questions % 2 == 0)
        put_a(answer, name, 0, "10.0.0.2");
    put_a(answer, name, 0, "10.0.0.1");
    if (fixture->mood == SAY_TWO && fixture->questions % 2 == 1)
        put_a(answer, name, 0, "10.0.0.2");
}

static void on_changed(void *argument)
{
    struct fixture *fixture = argument;

    fixture->changes++;
}

static void open_names(struct fixture *fixture, int64_t stale_ms)
{
    struct error error;
    const struct resolver_options resolver = {
        .servers = fixture->server.address, .timeout_ms = 500, .attempts = 1};

    fixture->resolver = resolver_open(fixture->base, &resolver, &error);
    assert_non_null(fixture->resolver);
    const struct dns_names_options options = {.resolver = fixture->resolver,
                                              .rules = {.min_ttl_ms = 50,
                                                        .max_ttl_ms = 60000,
                                                        .failure_retry_ms = 50,
                                                        .stale_ms = stale_ms},
                                              .changed = on_changed,
                                              .argument = fixture};
    fixture->names = dns_names_create(fixture->base, &options, &error);
    assert_non_null(fixture->names);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fixture->base = event_base_new();
    assert_non_null(fixture->base);
    dns_server_open(&fixture->server, fixture->base, script, fixture);
    open_names(fixture, 0);
    fixture->v4 = "10.0.0.1";
    *state = fixture;
    return 0;
}

static void close_names(struct fixture *fixture)
{
    resolver_close(fixture->resolver);
    dns_names_destroy(fixture->names);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    close_names(fixture);
    dns_server_close(&fixture->server);
    event_base_free(fixture->base);
    free(fixture);
    return 0;
}

static bool has_state(void *argument)
{
    struct fixture *fixture = argument;

    return fixture->name->state == fixture->wanted_state && !dns_name_is_pending(fixture->name) &&
           (fixture->wanted_count == 0 ||
            (fixture->name->is_srv ? fixture->name->srv.count : fixture->name->addr_count) ==
                fixture->wanted_count);
}

static void wait_for(struct fixture *fixture, enum name_state state, unsigned count)
{
    fixture->wanted_state = state;
    fixture->wanted_count = count;
    assert_true(run_until(fixture->base, has_state, fixture));
}

static void use(struct fixture *fixture, const char *text, bool is_srv)
{
    fixture->name = dns_names_use(fixture->names, text, is_srv, false);
    assert_non_null(fixture->name);
}

static bool has_asked_again(void *argument)
{
    struct fixture *fixture = argument;

    return fixture->questions >= 4;
}

static void test_name_is_asked_for_again_and_again(void **state)
{
    struct fixture *fixture = *state;

    use(fixture, "db.test", false);
    assert_int_equal(fixture->name->state, NAME_PENDING);
    assert_true(dns_name_is_pending(fixture->name));
    wait_for(fixture, NAME_GOOD, 1);
    assert_true(run_until(fixture->base, has_asked_again, fixture));
    assert_int_equal(fixture->changes, 1); /* the same answer each time */
    assert_true(fixture->name->lookups[RESOLVER_OK] >= 3);
}

static void test_order_of_addresses_is_no_change(void **state)
{
    struct fixture *fixture = *state;

    fixture->mood = SAY_TWO;
    use(fixture, "db.test", false);
    wait_for(fixture, NAME_GOOD, 2);
    assert_true(run_until(fixture->base, has_asked_again, fixture));
    assert_int_equal(fixture->changes, 1);
    fixture->mood = SAY_ONE;
    wait_for(fixture, NAME_GOOD, 1);
    assert_int_equal(fixture->changes, 2);
}

static void test_failure_keeps_the_last_answer(void **state)
{
    struct fixture *fixture = *state;

    use(fixture, "db.test", false);
    wait_for(fixture, NAME_GOOD, 1);
    fixture->mood = SAY_FAIL;
    wait_for(fixture, NAME_STALE, 1);
    assert_int_equal(fixture->name->result, RESOLVER_SERVFAIL);
    fixture->mood = SAY_NOTHING;
    while (fixture->name->lookups[RESOLVER_TIMEOUT] == 0)
        event_base_loop(fixture->base, EVLOOP_ONCE);
    assert_int_equal(fixture->name->state, NAME_STALE);
    fixture->mood = SAY_TWO;
    wait_for(fixture, NAME_GOOD, 2);
}

static unsigned families_of(const struct fixture *fixture)
{
    return resolver_families(fixture->name->addrs, fixture->name->addr_count);
}

static void test_family_whose_question_fails_stays(void **state)
{
    struct fixture *fixture = *state;

    for (unsigned i = 0; i < 2; i++) {
        fixture->mood = SAY_BOTH;
        fixture->failing_type = 0;
        use(fixture, i == 0 ? "four.test" : "six.test", false);
        wait_for(fixture, NAME_GOOD, 2);
        fixture->failing_code = RCODE_REFUSED;
        fixture->failing_type = i == 0 ? TYPE_AAAA : TYPE_A;
        wait_for(fixture, NAME_STALE, 2);
        assert_int_equal(fixture->name->result, RESOLVER_REFUSED);
        assert_int_equal(fixture->name->kept, i == 0 ? RESOLVER_IPV6 : RESOLVER_IPV4);
        while (fixture->name->lookups[RESOLVER_REFUSED] < 3)
            event_base_loop(fixture->base, EVLOOP_ONCE);
        assert_int_equal(fixture->name->addr_count, 2);
        fixture->failing_type = 0;
        wait_for(fixture, NAME_GOOD, 2);
        assert_int_equal(fixture->name->kept, 0);
    }
}

/* The other family follows the answers meanwhile. */
static void test_family_that_answers_changes_while_the_other_is_kept(void **state)
{
    struct fixture *fixture = *state;
    char text[ADDR_TEXT_BYTES];
    unsigned changes;

    fixture->mood = SAY_BOTH;
    use(fixture, "db.test", false);
    wait_for(fixture, NAME_GOOD, 2);
    fixture->failing_code = RCODE_SERVFAIL;
    fixture->failing_type = TYPE_AAAA;
    wait_for(fixture, NAME_STALE, 2);
    changes = fixture->changes;
    fixture->v4 = "10.0.0.9";
    while (fixture->changes == changes)
        event_base_loop(fixture->base, EVLOOP_ONCE);
    assert_int_equal(fixture->name->addr_count, 2);
    assert_string_equal(addr_text(&fixture->name->addrs[0], text), "10.0.0.9:0");
    assert_int_equal(fixture->name->state, NAME_STALE);
}

/* When the families change their roles `stale` counts from the last answer of the one kept now. */
static void test_family_kept_is_as_old_as_its_own_answer(void **state)
{
    struct fixture *fixture = *state;
    int64_t first_ms;

    fixture->mood = SAY_BOTH;
    use(fixture, "db.test", false);
    wait_for(fixture, NAME_GOOD, 2);
    fixture->failing_code = RCODE_SERVFAIL;
    fixture->failing_type = TYPE_AAAA;
    wait_for(fixture, NAME_STALE, 2);
    first_ms = fixture->name->schedule.answered_ms;
    assert_true(fixture->name->partly_ms > first_ms);
    fixture->failing_type = TYPE_A;
    while (fixture->name->kept != RESOLVER_IPV4)
        event_base_loop(fixture->base, EVLOOP_ONCE);
    assert_true(fixture->name->schedule.answered_ms > first_ms);
    assert_int_equal(fixture->name->addr_count, 2);
}

static void test_family_that_is_really_gone_leaves_at_once(void **state)
{
    struct fixture *fixture = *state;

    for (unsigned i = 0; i < 4; i++) {
        char text[] = "db0.test";

        text[2] = (char)('0' + i);
        fixture->mood = SAY_BOTH;
        fixture->failing_type = 0;
        use(fixture, text, false);
        wait_for(fixture, NAME_GOOD, 2);
        fixture->failing_code = i / 2 == 0 ? RCODE_OK : RCODE_NXDOMAIN;
        fixture->failing_type = i % 2 == 0 ? TYPE_AAAA : TYPE_A;
        wait_for(fixture, NAME_GOOD, 1);
        assert_int_equal(families_of(fixture), i % 2 == 0 ? RESOLVER_IPV4 : RESOLVER_IPV6);
    }
}

/* `stale` counts for each family: the one that is answered stays. */
static void test_kept_family_goes_in_the_end_alone(void **state)
{
    struct fixture *fixture = *state;

    close_names(fixture);
    open_names(fixture, 300);
    fixture->mood = SAY_BOTH;
    use(fixture, "db.test", false);
    wait_for(fixture, NAME_GOOD, 2);
    fixture->failing_code = RCODE_SERVFAIL;
    fixture->failing_type = TYPE_AAAA;
    wait_for(fixture, NAME_GOOD, 1);
    assert_true(fixture->name->lookups[RESOLVER_SERVFAIL] > 0);
    assert_int_equal(families_of(fixture), RESOLVER_IPV4);
    assert_true(dns_name_has_expired(fixture->name));
    /* All of it fails: the rest goes as well. */
    fixture->mood = SAY_FAIL;
    wait_for(fixture, NAME_FAILED, 0);
    assert_int_equal(fixture->name->addr_count, 0);
}

static void test_stale_answer_goes_in_the_end(void **state)
{
    struct fixture *fixture = *state;

    close_names(fixture);
    open_names(fixture, 300);
    use(fixture, "db.test", false);
    wait_for(fixture, NAME_GOOD, 1);
    fixture->mood = SAY_FAIL;
    wait_for(fixture, NAME_STALE, 1);
    wait_for(fixture, NAME_FAILED, 0);
    assert_int_equal(fixture->name->addr_count, 0);
    fixture->mood = SAY_ONE;
    wait_for(fixture, NAME_GOOD, 1);
}

static void test_name_that_was_never_found_is_failed(void **state)
{
    struct fixture *fixture = *state;

    fixture->mood = SAY_FAIL;
    use(fixture, "db.test", false);
    wait_for(fixture, NAME_FAILED, 0);
    fixture->mood = SAY_ONE;
    wait_for(fixture, NAME_GOOD, 1);
}

static void test_targets_are_names_of_their_own(void **state)
{
    struct fixture *fixture = *state;
    unsigned targets = 0;

    fixture->mood = SAY_TWO;
    use(fixture, "_pg._tcp.db.test", true);
    wait_for(fixture, NAME_GOOD, 2);
    for (struct dns_name *name = dns_names_first(fixture->names); name != NULL;
         name = name->hh.next)
        targets += name->is_target;
    assert_int_equal(targets, 2);
    assert_int_equal(fixture->name->targets[0]->addr_count > 0, 1);
    fixture->mood = SAY_ONE;
    wait_for(fixture, NAME_GOOD, 1);
    /* The one that nobody names any more goes. */
    while (HASH_COUNT(dns_names_first(fixture->names)) > 2)
        event_base_loop(fixture->base, EVLOOP_ONCE);
}

static void test_many_targets_wait_for_their_turn(void **state)
{
    struct fixture *fixture = *state;

    fixture->mood = SAY_MANY;
    use(fixture, "_pg._tcp.db.test", true);
    wait_for(fixture, NAME_GOOD, 60);
    for (unsigned i = 0; i < 60; i++)
        assert_int_equal(fixture->name->targets[i]->state, NAME_GOOD);
}

static void test_same_name_is_asked_for_once(void **state)
{
    struct fixture *fixture = *state;

    use(fixture, "db.test", false);
    assert_ptr_equal(dns_names_use(fixture->names, "DB.test", false, false), fixture->name);
    assert_ptr_not_equal(dns_names_use(fixture->names, "db.test", true, false), fixture->name);
    assert_int_equal(fixture->name->users, 2);
}

static void test_hurry_asks_before_the_ttl_is_over(void **state)
{
    struct fixture *fixture = *state;
    int64_t due_ms;

    use(fixture, "db.test", false);
    wait_for(fixture, NAME_GOOD, 1);
    fixture->name->schedule.due_ms += 100000;
    due_ms = fixture->name->schedule.due_ms;
    dns_names_hurry(fixture->name);
    assert_true(fixture->name->schedule.due_ms < due_ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_name_is_asked_for_again_and_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order_of_addresses_is_no_change, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failure_keeps_the_last_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_family_whose_question_fails_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(test_family_that_answers_changes_while_the_other_is_kept,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_family_kept_is_as_old_as_its_own_answer, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_family_that_is_really_gone_leaves_at_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_kept_family_goes_in_the_end_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stale_answer_goes_in_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_name_that_was_never_found_is_failed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_targets_are_names_of_their_own, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_targets_wait_for_their_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_same_name_is_asked_for_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hurry_asks_before_the_ttl_is_over, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
