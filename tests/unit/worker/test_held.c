/* SPDX-License-Identifier: Apache-2.0 */
/* test_held.c - refused connections that hear nothing until their time has come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "worker/held.h"
#include "worker/places.h"
#include "worker/worker_world.h"

static enum peer_end end_of(int fd)
{
    enum peer_end end = PEER_OPEN;

    peer_receive_some(fd, 0, 1, &end);
    return end;
}

static int held_client(struct worker_world *world)
{
    int fds[2];

    tcp_pair(fds);
    assert_true(places_reserve(world->workers[0], &world->relay.listener));
    assert_true(held_add(world->workers[0], &world->relay.listener, fds[1]));
    return fds[0];
}

static void test_a_held_client_is_reset_when_its_time_is_over(void **state)
{
    struct worker_world world;
    int client;

    (void)state;
    worker_world_configure(&world, BUILTIN_DISCARD);
    world.relay.listener.handshake_timeout_ms = 50;
    worker_world_start(&world, 1);
    client = held_client(&world);
    assert_int_equal(end_of(client), PEER_OPEN);
    assert_int_equal(world.shared.sessions, 1);
    WORKERS_RUN_UNTIL(&world, world.shared.sessions == 0);
    assert_int_equal(end_of(client), PEER_RESET);
    peer_close(&client);
    worker_world_close(&world);
}

static void test_nobody_waits_for_held_clients(void **state)
{
    struct worker_world world;
    int clients[2];

    (void)state;
    worker_world_configure(&world, BUILTIN_DISCARD);
    world.relay.listener.handshake_timeout_ms = 600000;
    worker_world_start(&world, 1);
    for (int i = 0; i < 2; i++)
        clients[i] = held_client(&world);
    assert_int_equal(world.shared.sessions, 2);
    worker_world_post(&world, 0, (struct message){.kind = MESSAGE_DRAIN});
    WORKERS_RUN_UNTIL(&world, world.shared.sessions == 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(end_of(clients[i]), PEER_RESET);
        peer_close(&clients[i]);
    }
    worker_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_held_client_is_reset_when_its_time_is_over),
        cmocka_unit_test(test_nobody_waits_for_held_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
