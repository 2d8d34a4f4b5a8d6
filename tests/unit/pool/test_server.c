/* SPDX-License-Identifier: Apache-2.0 */
/* test_server.c - a server's words, and its places. */
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "pool/server.h"

#define THREADS 4
#define ROUNDS 20000

static void test_health_words(void **state)
{
    (void)state;
    assert_string_equal(server_health_word(SERVER_UP), "up");
    assert_string_equal(server_health_word(SERVER_EJECTED), "ejected");
    assert_string_equal(server_health_word(SERVER_TRIAL), "trial");
    assert_string_equal(server_health_word(SERVER_DRAIN), "drain");
    assert_string_equal(server_health_word(SERVER_MAINT), "maint");
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
        cmocka_unit_test(test_health_words),
        cmocka_unit_test(test_addr_text_names_address_or_service),
        cmocka_unit_test(test_places_end_at_max_connections),
        cmocka_unit_test(test_no_two_threads_take_the_same_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
