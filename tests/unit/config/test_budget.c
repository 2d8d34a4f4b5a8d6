/* SPDX-License-Identifier: Apache-2.0 */
/* test_budget.c - descriptors: how many sessions fit, and what is said when they do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/fixture.h"

#define ONE_WORKER "[culvert]\nworkers = 1\n[admin]\nsocket = off\n"
#define DOT "\u00b7"

static struct budget budget_of(const char *text, int open_files, int max_pipes)
{
    struct config *config = load_good(text);
    struct snapshot *snapshot = config_snapshot(config);
    struct budget budget;

    config_budget(snapshot, open_files, max_pipes, &budget);
    config_destroy(config);
    snapshot_unref(snapshot);
    return budget;
}

static void test_auto_fits_itself_in(void **state)
{
    struct budget budget = budget_of(ONE_WORKER MINIMAL, 20001, 512);

    (void)state;
    assert_true(budget.fits);
    assert_int_equal(budget.reserve, 64 + 1);
    assert_int_equal(budget.max_connections, (20001 - 65 - 1024) / 2);
    assert_string_equal(budget.bound_by, "open_files");
    assert_string_equal(budget.line, "fds: 2" DOT "9456 sessions + 2" DOT "512 pipes + 65 = 20001 "
                                     "= RLIMIT_NOFILE");
    assert_string_equal(budget.advice, "");
    budget = budget_of(ONE_WORKER MINIMAL, 20000, 512);
    assert_string_equal(budget.line, "fds: 2" DOT "9455 sessions + 2" DOT "512 pipes + 65 = 19999 "
                                     "< RLIMIT_NOFILE 20000");
}

static void test_too_many_do_not_fit_and_the_advice_says_what_would(void **state)
{
    struct budget budget = budget_of(
        ONE_WORKER "[limits]\nmax_connections = 10000\nmax_pipes = 512\n" MINIMAL, 20001, 512);

    (void)state;
    assert_false(budget.fits);
    assert_string_equal(budget.bound_by, "max_connections");
    assert_string_equal(budget.line, "fds: 2" DOT "10000 sessions + 2" DOT "512 pipes + 65 = "
                                     "21089 > RLIMIT_NOFILE 20001");
    assert_string_equal(budget.advice, "raise LimitNOFILE to 21089 or set max_connections = 9456");
}

static void test_what_the_advice_says_fits(void **state)
{
    struct budget budget = budget_of(
        ONE_WORKER "[limits]\nmax_connections = 9456\nmax_pipes = 512\n" MINIMAL, 20001, 512);

    (void)state;
    assert_true(budget.fits);
    budget = budget_of(ONE_WORKER "[limits]\nmax_connections = 10000\nmax_pipes = 512\n" MINIMAL,
                       21089, 512);
    assert_true(budget.fits);
    assert_int_equal(budget.max_connections, 10000);
}

static void test_a_builtin_server_takes_three(void **state)
{
    struct budget budget =
        budget_of(ONE_WORKER "[listen web]\nbind = :0\nserver = builtin:echo\n", 20001, 0);

    (void)state;
    assert_int_equal(budget.descriptors_per_session, 3);
    assert_int_equal(budget.max_connections, (20001 - 65) / 3);
}

static void test_checks_have_descriptors_of_their_own(void **state)
{
    struct budget budget = budget_of("[defaults]\nhealth = tcp\n" ONE_WORKER MINIMAL, 20001, 512);

    (void)state;
    assert_int_equal(budget.reserve, 64 + 1 + 1 + 8);
    /* A name may come to stand for many servers. */
    budget = budget_of(ONE_WORKER "[listen web]\nbind = 127.0.0.1:0\npool = app\n"
                                  "[pool app]\nserver = app.example.com:80\nhealth = tcp\n",
                       20001, 512);
    assert_int_equal(budget.reserve, 64 + 1 + 64 + 8);
}

static void test_every_socket_is_in_the_reserve(void **state)
{
    struct budget budget = budget_of(
        "[culvert]\nworkers = 10\n[admin]\nsocket = /tmp/c.sock\nbind = 127.0.0.1:81 [::1]:81\n"
        "[metrics]\nbind = :82\n"
        "[listen web]\nbind = :80 unix:/x\nserver = 127.0.0.1:9\n",
        20000, 0);

    (void)state;
    /* base, two workers more than it has room for, the API with four sockets, ten sockets on :80
       and one on the path */
    assert_int_equal(budget.reserve, 64 + 10 + (16 + 4) + 10 + 1);
}

static void test_few_descriptors_leave_sessions_before_pipes(void **state)
{
    struct budget budget = budget_of(ONE_WORKER MINIMAL, 1024, 512);

    (void)state;
    assert_true(budget.fits);
    assert_int_equal(budget.max_pipes, (1024 - 65) / 8 / 2);
    assert_true(budget.max_connections > 400);
    /* Pipes that were asked for are kept. */
    budget = budget_of(ONE_WORKER "[limits]\nmax_pipes = 512\n" MINIMAL, 1024, 512);
    assert_false(budget.fits);
    assert_int_equal(budget.max_pipes, 512);
    assert_string_equal(budget.advice, "raise LimitNOFILE to 1091");
}

static void test_no_room_at_all(void **state)
{
    struct budget budget = budget_of(ONE_WORKER MINIMAL, 64, 512);

    (void)state;
    assert_false(budget.fits);
    assert_int_equal(budget.max_connections, 1);
}

static void test_huge_numbers_do_not_overflow(void **state)
{
    struct budget budget =
        budget_of(ONE_WORKER "[limits]\nmax_connections = 536870912\nmax_pipes = 1048576\n" MINIMAL,
                  1 << 30, 1 << 20);

    (void)state;
    assert_false(budget.fits);
    assert_non_null(strstr(budget.line, "= 1075839041 > RLIMIT_NOFILE 1073741824"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auto_fits_itself_in),
        cmocka_unit_test(test_too_many_do_not_fit_and_the_advice_says_what_would),
        cmocka_unit_test(test_what_the_advice_says_fits),
        cmocka_unit_test(test_a_builtin_server_takes_three),
        cmocka_unit_test(test_checks_have_descriptors_of_their_own),
        cmocka_unit_test(test_every_socket_is_in_the_reserve),
        cmocka_unit_test(test_few_descriptors_leave_sessions_before_pipes),
        cmocka_unit_test(test_no_room_at_all),
        cmocka_unit_test(test_huge_numbers_do_not_overflow),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
