/* SPDX-License-Identifier: Apache-2.0 */
/* test_publish.c - members and names replaced while two workers choose by them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "worker/publish.h"
#include "worker/worker_world.h"

#define PUBLISHINGS 200

static unsigned mallocs_left; /* until one fails; 0: none does */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
    if (mallocs_left > 0 && --mallocs_left == 0)
        return NULL;
    return __real_malloc(size);
}

/* Either all workers hear of it, or nothing has changed: members that a worker may look at for ever
   would keep every server that goes. */
static void test_without_memory_nothing_is_published(void **state)
{
    struct worker_world world;
    struct pool *pool = &world.relay.pool;
    struct pool_members *members;

    (void)state;
    worker_world_configure(&world, BUILTIN_ECHO);
    worker_world_start(&world, 2);
    members = pool->members;
    for (unsigned failing = 1; failing <= 2; failing++) {
        mallocs_left = failing;
        assert_false(worker_publish_members(&world.shared, pool));
        assert_int_equal(mallocs_left, 0);
        assert_ptr_equal(pool->members, members);
        assert_null(pool->retired);
    }
    assert_true(worker_publish_members(&world.shared, pool));
    WORKERS_RUN_UNTIL(&world, (pool_reclaim(pool, INT64_MIN), pool->retired == NULL));
    worker_world_close(&world);
}

/* Sessions come all the time; no worker ever looks at members that were freed (ASan, TSan). */
static void test_sessions_choose_while_members_are_replaced(void **state)
{
    struct worker_world world;
    struct pool *pool = &world.relay.pool;

    (void)state;
    worker_world_configure(&world, BUILTIN_ECHO);
    worker_world_start(&world, 2);
    worker_world_run(&world);
    for (int i = 0; i < PUBLISHINGS; i++) {
        int client = tcp_connect(world.port);

        assert_true(worker_publish_members(&world.shared, pool));
        peer_close(&client);
    }
    WAIT_UNTIL((pool_reclaim(pool, INT64_MIN), pool->retired == NULL));
    worker_world_close(&world);
}

/* The same of the names of an sni_map, which workers ask for each session. */
static void test_sessions_ask_while_names_are_replaced(void **state)
{
    struct worker_world world;
    struct router *router;
    bool is_taken;

    (void)state;
    worker_world_configure(&world, BUILTIN_ECHO);
    worker_world_start(&world, 2);
    router = world.relay.listener.router;
    assert_null(router_publish_names(router, name_map_create(), 0));
    worker_world_run(&world);
    for (int i = 0; i < PUBLISHINGS; i++) {
        struct name_map *fresh = name_map_create();
        const struct route_client asks = {
            .addr = &(struct addr){.family = AF_UNSPEC}, .has_hello = true, .sni = "a.example.com"};

        assert_true(name_map_add(fresh, "a.example.com", &world.relay.pool, &is_taken));
        worker_publish_names(&world.shared, router, fresh);
        assert_ptr_equal(router_choose(router, &asks).pool, &world.relay.pool);
        if (i % 10 == 0) {
            int client = tcp_connect(world.port);

            peer_close(&client);
        }
    }
    worker_world_close(&world); /* frees what no worker has left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_memory_nothing_is_published),
        cmocka_unit_test(test_sessions_choose_while_members_are_replaced),
        cmocka_unit_test(test_sessions_ask_while_names_are_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
