/* SPDX-License-Identifier: Apache-2.0 */
/* test_step_route.c - which pool a session gets, and what a client sees that none serves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "relay/relay_world.h"
#include "relay/step.h"

/* The world with a router of its own: `route` for 127.0.0.0/8, `fallback` for all others. */
static void open_routed(struct relay_world *world, struct route *route, struct pool *fallback)
{
    const struct route *other;
    struct prefix loopback = {.family = AF_INET, .bits = 8};

    loopback.v4.s_addr = htonl(0x7f000000);
    relay_world_open(world, 1);
    router_destroy(world->listener.router);
    world->listener.router = router_create(fallback);
    assert_non_null(world->listener.router);
    if (route != NULL)
        assert_true(router_add(world->listener.router, &(struct route_match){.source = &loopback},
                               route, &other));
}

static void test_a_client_that_no_route_matches_gets_the_pool_of_its_listener(void **state)
{
    struct relay_world world;
    struct relay_line line;
    struct session_record record;

    relay_world_open(&world, 1);
    relay_world_join(&world, &line);
    assert_ptr_equal(line.session->pool, &world.pool);
    relay_world_part(&world, &line);
    record = relay_world_record(&world);
    assert_string_equal(record.listener, "front");
    assert_string_equal(record.pool, "back");
    assert_string_equal(record.route, "");
    assert_string_equal(record.server, "s0");
    assert_int_equal(counter_get(&world.resources.counters.tallies[1].closed[CLOSE_DONE]), 1);
    relay_world_close(&world);
}

static void test_a_route_for_the_source_chooses_the_pool(void **state)
{
    static char name[] = "local";
    struct relay_world world;
    struct relay_line line;
    struct route route = {.name = name, .action = ROUTE_RELAY};

    route.pool = &world.pool;
    open_routed(&world, &route, NULL);
    relay_world_join(&world, &line);
    relay_world_part(&world, &line);
    assert_string_equal(relay_world_record(&world).route, "local");
    relay_world_close(&world);
}

static void check_refusal(struct route *route, enum refusal how, enum close_reason reason,
                          enum peer_end expected)
{
    struct relay_world world;
    struct session_record record;
    int client;

    open_routed(&world, route, NULL);
    world.listener.no_route = how;
    client = relay_world_client(&world);
    assert_int_equal(relay_world_end(&world, client, 0, NULL), expected);
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, reason);
    assert_int_equal(record.phase, PHASE_PREREAD);
    assert_int_equal(record.first, FIRST_CULVERT);
    assert_int_equal(record.connect_us, -1);
    assert_string_equal(record.pool, "");
    assert_string_equal(record.server, "");
    assert_int_equal(counter_get(&world.resources.counters.tallies[0].closed[reason]), 1);
    peer_close(&client);
    relay_world_close(&world);
}

static void test_a_client_that_nothing_serves_is_refused_as_no_route_says(void **state)
{
    check_refusal(NULL, REFUSE_RESET, CLOSE_NO_ROUTE, PEER_RESET);
    check_refusal(NULL, REFUSE_CLOSE, CLOSE_NO_ROUTE, PEER_ENDED);
}

static void test_a_client_that_a_route_rejects_is_denied(void **state)
{
    static char name[] = "no entry";
    struct route route = {.name = name, .action = ROUTE_REJECT};

    check_refusal(&route, REFUSE_RESET, CLOSE_DENIED, PEER_RESET);
    check_refusal(&route, REFUSE_CLOSE, CLOSE_DENIED, PEER_ENDED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_client_that_no_route_matches_gets_the_pool_of_its_listener),
        cmocka_unit_test(test_a_route_for_the_source_chooses_the_pool),
        cmocka_unit_test(test_a_client_that_nothing_serves_is_refused_as_no_route_says),
        cmocka_unit_test(test_a_client_that_a_route_rejects_is_denied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
