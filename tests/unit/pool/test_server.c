/* SPDX-License-Identifier: Apache-2.0 */
/* test_server.c - a server's words, and its places. */
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "pool/server.h"

#define THREADS 4
#define ROUNDS 20000

static void test_state_words(void **state)
{
    (void)state;
    assert_string_equal(server_state_word(SERVER_STATE_UP), "up");
    assert_string_equal(server_state_word(SERVER_STATE_DOWN), "down");
    assert_string_equal(server_state_word(SERVER_STATE_DRAIN), "drain");
    assert_string_equal(server_state_word(SERVER_STATE_MAINT), "maint");
    assert_string_equal(server_state_word(SERVER_STATE_EJECTED), "ejected");
    assert_string_equal(server_state_word(SERVER_STATE_TRIAL), "trial");
}

static void test_usable_is_up_in_all_respects(void **state)
{
    struct server server = {.builtin = BUILTIN_ECHO};

    (void)state;
    assert_true(server_is_usable(&server));
    server.check = SERVER_CHECK_DOWN;
    assert_false(server_is_usable(&server));
    assert_int_equal(server_state_of(&server), SERVER_STATE_DOWN);
    server.admin = SERVER_ADMIN_DRAIN;
    assert_int_equal(server_state_of(&server), SERVER_STATE_DRAIN);
    server.check = SERVER_CHECK_UP;
    assert_false(server_is_usable(&server));
    server.admin = SERVER_ADMIN_UP;
    server.health = SERVER_TRIAL;
    assert_false(server_is_usable(&server));
    assert_int_equal(server_state_of(&server), SERVER_STATE_TRIAL);
}

static void test_shards_add_up(void **state)
{
    char path[] = "/run/x";
    const struct server_options options = {.name = "db",
                                           .addr = {.family = AF_UNIX, .path = path},
                                           .tls_name = "db.example.com",
                                           .weight = 3};
    struct server *server = server_create(&options, 2);
    struct server *other = server_create(&options, 1);
    struct server_counters sum;

    (void)state;
    assert_non_null(server);
    assert_non_null(other);
    assert_true(server->serial != other->serial);
    memset(path, 'x', sizeof(path) - 1);
    assert_string_equal(server->addr.path, "/run/x");
    assert_string_equal(server->tls_name, "db.example.com");
    assert_int_equal((uintptr_t)&server->counters[1] % CACHE_LINE_BYTES, 0);
    counter_add(&server->counters[0].connects[CONNECT_OK], 2);
    counter_add(&server->counters[1].connects[CONNECT_OK], 3);
    counter_add(&server->counters[1].ejections, 4);
    counter_add(&server->counters[0].returns, 5);
    server_counters_sum(server, &sum);
    assert_int_equal(counter_get(&sum.connects[CONNECT_OK]), 5);
    assert_int_equal(counter_get(&sum.connects[CONNECT_REFUSED]), 0);
    assert_int_equal(counter_get(&sum.ejections), 4);
    assert_int_equal(counter_get(&sum.returns), 5);
    server_free(server);
    server_free(other);
    server_free(NULL);
}

static void test_addr_text_names_address_or_service(void **state)
{
    struct server server = {.addr = {.family = AF_INET, .port = 5432}};
    char text[ADDR_TEXT_BYTES];

    (void)state;
    assert_int_equal(inet_pton(AF_INET, "10.0.9.11", &server.addr.v4), 1);
    assert_string_equal(server_addr_text(&server, text), "10.0.9.11:5432");
    assert_true(server_has_address(&server));

    server = (struct server){.builtin = BUILTIN_CHARGEN};
    assert_string_equal(server_addr_text(&server, text), "builtin:chargen");
    assert_true(server_has_address(&server));

    server = (struct server){.builtin = BUILTIN_NONE};
    assert_false(server_has_address(&server));
}

static void test_places_end_at_max_connections(void **state)
{
    struct server server = {.max_connections = 2};

    (void)state;
    assert_true(server_take_place(&server));
    assert_true(server_take_place(&server));
    assert_false(server_take_place(&server));
    assert_int_equal(server.active, 2);
    server.max_connections = 0;
    assert_true(server_take_place(&server));
}

struct contest {
    struct server *server;
    _Atomic int most;
    int taken;
};

static void *take_and_leave(void *argument)
{
    struct contest *contest = argument;

    for (int i = 0; i < ROUNDS; i++) {
        if (server_take_place(contest->server)) {
            int active = contest->server->active;

            if (active > contest->most)
                contest->most = active;
            contest->taken++;
            contest->server->active--;
        }
    }
    return NULL;
}

static void test_no_two_threads_take_the_same_place(void **state)
{
    struct server server = {.max_connections = 2};
    struct contest contests[THREADS] = {0};
    pthread_t threads[THREADS];
    int taken = 0;

    (void)state;
    for (int i = 0; i < THREADS; i++) {
        contests[i].server = &server;
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_leave, &contests[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_true(contests[i].most <= 2);
        taken += contests[i].taken;
    }
    assert_true(taken >= ROUNDS);
    assert_int_equal(server.active, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_state_words),
        cmocka_unit_test(test_usable_is_up_in_all_respects),
        cmocka_unit_test(test_shards_add_up),
        cmocka_unit_test(test_addr_text_names_address_or_service),
        cmocka_unit_test(test_places_end_at_max_connections),
        cmocka_unit_test(test_no_two_threads_take_the_same_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
