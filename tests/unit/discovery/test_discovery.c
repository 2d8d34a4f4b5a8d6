/* SPDX-License-Identifier: Apache-2.0 */
/* test_discovery.c - a pool keeps in step with a DNS server that changes its mind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include "discovery/discovery.h"
#include "discovery/dns_server.h"

struct fixture {
    struct event_base *base;
    struct dns_server server;
    struct discovery *discovery;
    struct dns_options dns;
    struct discovery_source source;
    struct pool pool;
    unsigned host_count; /* addresses of db.test */
    unsigned srv_count;  /* records of _pg._tcp.db.test */
    bool is_broken;
    bool has_targets; /* the targets of the records have addresses */
    unsigned ttl_s;   /* of addresses of db.test */
    unsigned questions;
    unsigned published;
    unsigned gone;
    unsigned wanted; /* servers */
};

static void script(void *argument, const char *name, unsigned type, unsigned id, bool is_tcp,
                   struct message *answer)
{
    struct fixture *fixture = argument;

    (void)is_tcp;
    fixture->questions++;
    begin_answer(answer, id, fixture->is_broken ? RCODE_SERVFAIL : RCODE_OK, name, type);
    if (fixture->is_broken)
        return;
    for (unsigned i = 1; type == TYPE_A && strcmp(name, "db.test") == 0 && i <= fixture->host_count;
         i++) {
        char ip[16];

        snprintf(ip, sizeof(ip), "10.0.0.%u", i);
        put_a(answer, name, fixture->ttl_s, ip);
    }
    if (type == TYPE_AAAA && strcmp(name, "db.test") == 0 && fixture->host_count > 0)
        put_aaaa(answer, name, fixture->ttl_s, "fd00::1");
    for (unsigned i = 1; type == TYPE_SRV && i <= fixture->srv_count; i++) {
        char target[16];

        snprintf(target, sizeof(target), "h%u.test", i);
        put_srv(answer, name, 0, i == 1 ? 10 : 20, i, 5000 + i, target);
    }
    if (type == TYPE_A && name[0] == 'h' && fixture->has_targets) {
        char ip[16];

        snprintf(ip, sizeof(ip), "10.1.0.%c", name[1]);
        put_a(answer, name, 0, ip);
    }
}

static bool publish(void *argument, struct pool *pool)
{
    struct fixture *fixture = argument;
    struct pool_members *fresh = pool_members_build(pool);
    struct pool_members *old;

    assert_ptr_equal(pool, &fixture->pool);
    assert_non_null(fresh);
    old = pool_publish(pool, fresh, 1);
    if (old != NULL)
        pool_members_leave(old);
    pool_reclaim(pool, INT64_MIN);
    fixture->published++;
    return true;
}

static void gone(void *argument, struct pool *pool, struct server *server, enum server_state from)
{
    struct fixture *fixture = argument;

    (void)pool;
    assert_true(server->is_removed);
    assert_int_equal(from, SERVER_STATE_UP);
    fixture->gone++;
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fixture->base = event_base_new();
    dns_server_open(&fixture->server, fixture->base, script, fixture);
    assert_true(pool_init(&fixture->pool, 16, 1));
    fixture->pool.name = strdup("p");
    fixture->pool.options.discovery_min = 1;
    assert_true(pool_prepare(&fixture->pool));
    fixture->dns = (struct dns_options){
        .resolver = {.servers = fixture->server.address, .timeout_ms = 500, .attempts = 1},
        .rules = {.min_ttl_ms = 100, .max_ttl_ms = 60000, .failure_retry_ms = 100}};
    fixture->source = (struct discovery_source){.pool = &fixture->pool,
                                                .host = "db.test",
                                                .port = 5432,
                                                .model = {.name = "db", .weight = 3}};
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    discovery_close(fixture->discovery);
    dns_server_close(&fixture->server);
    pool_release(&fixture->pool);
    event_base_free(fixture->base);
    free(fixture);
    return 0;
}

static void open_discovery(struct fixture *fixture)
{
    struct error error = {.text = ""};
    const struct discovery_options options = {.dns = &fixture->dns,
                                              .sources = &fixture->source,
                                              .source_count = 1,
                                              .publish = publish,
                                              .gone = gone,
                                              .argument = fixture};

    fixture->discovery = discovery_open(fixture->base, &options, &error);
    assert_non_null(fixture->discovery);
    discovery_settle(fixture->discovery, 5000);
}

static struct name_view view_of(const struct fixture *fixture)
{
    const void *cursor = NULL;
    struct name_view view;

    assert_true(discovery_next(fixture->discovery, &cursor, &view));
    return view;
}

static bool has_servers(void *argument)
{
    struct fixture *fixture = argument;

    return fixture->pool.members->server_count == fixture->wanted;
}

static void wait_for_servers(struct fixture *fixture, unsigned count)
{
    fixture->wanted = count;
    assert_true(run_until(fixture->base, has_servers, fixture));
}

static const struct server *find(const struct fixture *fixture, const char *name)
{
    for (unsigned i = 0; i < fixture->pool.members->server_count; i++) {
        if (strcmp(fixture->pool.members->servers[i]->name, name) == 0)
            return fixture->pool.members->servers[i];
    }
    fail_msg("there is no server %s", name);
    return NULL;
}

static void test_settled_pool_has_the_servers_of_its_name(void **state)
{
    struct fixture *fixture = *state;
    struct name_view view;

    fixture->host_count = 2;
    open_discovery(fixture);
    assert_int_equal(fixture->published, 1);
    assert_int_equal(fixture->pool.members->server_count, 3);
    assert_int_equal(find(fixture, "db@10.0.0.1:5432")->weight, 3);
    find(fixture, "db@[fd00::1]:5432");
    view = view_of(fixture);
    assert_string_equal(view.name, "db.test");
    assert_int_equal(view.state, NAME_GOOD);
    assert_int_equal(view.servers, 3);
}

static void test_pool_follows_the_answers(void **state)
{
    struct fixture *fixture = *state;

    fixture->host_count = 2;
    open_discovery(fixture);
    fixture->host_count = 4;
    wait_for_servers(fixture, 5);
    fixture->host_count = 1;
    wait_for_servers(fixture, 2);
    assert_int_equal(fixture->gone, 3);
    assert_int_equal(fixture->published, 3);
}

static void test_it_starts_unresolved_and_fills_later(void **state)
{
    struct fixture *fixture = *state;

    open_discovery(fixture);
    assert_int_equal(fixture->pool.members->server_count, 0);
    assert_int_equal(view_of(fixture).state, NAME_FAILED);
    fixture->host_count = 1;
    wait_for_servers(fixture, 2);
}

static bool has_failed_thrice(void *argument)
{
    struct fixture *fixture = argument;

    return view_of(fixture).lookups[RESOLVER_SERVFAIL] >= 3;
}

static void test_broken_dns_changes_nothing(void **state)
{
    struct fixture *fixture = *state;

    fixture->host_count = 2;
    open_discovery(fixture);
    fixture->is_broken = true;
    assert_true(run_until(fixture->base, has_failed_thrice, fixture));
    assert_int_equal(view_of(fixture).state, NAME_STALE);
    assert_int_equal(fixture->pool.members->server_count, 3);
    assert_int_equal(fixture->published, 1);
}

static void test_stale_servers_go_in_the_end(void **state)
{
    struct fixture *fixture = *state;

    fixture->dns.rules.stale_ms = 300;
    fixture->host_count = 1;
    open_discovery(fixture);
    fixture->is_broken = true;
    wait_for_servers(fixture, 0);
    assert_int_equal(view_of(fixture).state, NAME_FAILED);
}

static bool was_asked_again(void *argument)
{
    struct fixture *fixture = argument;

    return fixture->questions >= 12;
}

static void test_answer_with_too_few_servers_is_ignored(void **state)
{
    struct fixture *fixture = *state;

    fixture->pool.options.discovery_min = 3;
    fixture->host_count = 2;
    open_discovery(fixture);
    assert_int_equal(fixture->pool.members->server_count, 3);
    fixture->host_count = 1;
    fixture->questions = 0;
    assert_true(run_until(fixture->base, was_asked_again, fixture));
    assert_int_equal(fixture->pool.members->server_count, 3);
    fixture->host_count = 3;
    wait_for_servers(fixture, 4);
}

static void test_preferred_family_is_the_first_tier(void **state)
{
    struct fixture *fixture = *state;

    fixture->dns.prefer = DNS_PREFER_IPV6;
    fixture->host_count = 1;
    open_discovery(fixture);
    assert_int_equal(fixture->pool.members->tier_count, 2);
    assert_true(find(fixture, "db@[fd00::1]:5432")->priority <
                find(fixture, "db@10.0.0.1:5432")->priority);
}

static void test_srv_records_make_tiers_weights_and_ports(void **state)
{
    struct fixture *fixture = *state;

    fixture->source.host = "_pg._tcp.db.test";
    fixture->source.is_srv = true;
    fixture->srv_count = 3;
    fixture->has_targets = true;
    open_discovery(fixture);
    assert_int_equal(fixture->pool.members->server_count, 3);
    assert_int_equal(fixture->pool.members->tier_count, 2);
    assert_int_equal(find(fixture, "db@10.1.0.2:5002")->weight, 2);
    assert_int_equal(find(fixture, "db@10.1.0.3:5003")->weight, 3);
    assert_true(find(fixture, "db@10.1.0.1:5001")->priority <
                find(fixture, "db@10.1.0.2:5002")->priority);
    fixture->srv_count = 1;
    wait_for_servers(fixture, 1);
}

static void test_targets_without_an_answer_go_in_the_end(void **state)
{
    struct fixture *fixture = *state;

    fixture->dns.rules.stale_ms = 300;
    fixture->source.host = "_pg._tcp.db.test";
    fixture->source.is_srv = true;
    fixture->srv_count = 2;
    fixture->has_targets = true;
    open_discovery(fixture);
    assert_int_equal(fixture->pool.members->server_count, 2);
    fixture->has_targets = false;
    wait_for_servers(fixture, 0);
    assert_int_equal(view_of(fixture).state, NAME_GOOD);
    fixture->has_targets = true;
    wait_for_servers(fixture, 2);
}

static void test_failed_connect_asks_at_once(void **state)
{
    struct fixture *fixture = *state;
    int64_t before_ms;

    fixture->ttl_s = 60;
    fixture->host_count = 1;
    open_discovery(fixture);
    before_ms = view_of(fixture).due_ms;
    assert_true(fixture->pool.lookup_fd != -1);
    (void)pool_connect_failed(&fixture->pool, fixture->pool.servers[0], 1);
    assert_true(fixture->pool.lookup_wanted);
    while (fixture->pool.lookup_wanted)
        event_base_loop(fixture->base, EVLOOP_ONCE);
    assert_true(view_of(fixture).due_ms <= before_ms - 30000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_settled_pool_has_the_servers_of_its_name, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_pool_follows_the_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_it_starts_unresolved_and_fills_later, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broken_dns_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stale_servers_go_in_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer_with_too_few_servers_is_ignored, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_preferred_family_is_the_first_tier, setup, teardown),
        cmocka_unit_test_setup_teardown(test_srv_records_make_tiers_weights_and_ports, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_targets_without_an_answer_go_in_the_end, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_failed_connect_asks_at_once, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
