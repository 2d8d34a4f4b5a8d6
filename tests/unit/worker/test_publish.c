/* SPDX-License-Identifier: Apache-2.0 */
/* test_publish.c - members replaced while two workers choose from them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "worker/publish.h"
#include "worker/worker_world.h"

#define PUBLISHINGS 200

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sessions_choose_while_members_are_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
