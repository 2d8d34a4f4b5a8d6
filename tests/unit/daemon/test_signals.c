/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_signals.c - held signals are neither lost nor deadly.
 */
#include "daemon/signals.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int received[NSIG];

static void on_signal(evutil_socket_t number, short events, void *argument)
{
    (void)events;
    (void)argument;
    received[number]++;
}

/* The number of the first claim that does not hold, or 0. */
static int claims_of_held_signals(void)
{
    struct event_base *base = event_base_new();
    struct signal_events signals = {.events = {NULL}};
    struct error error;

    signals_ignore();
    signals_hold(true);
    raise(SIGPIPE);
    raise(SIGTERM);
    raise(SIGHUP);
    if (!signals_open(&signals, base, on_signal, NULL, &error))
        return 1;
    raise(SIGUSR1);
    signals_release();
    event_base_loop(base, EVLOOP_ONCE);
    if (received[SIGTERM] != 1 || received[SIGHUP] != 1 || received[SIGUSR1] != 1)
        return 2;
    signals_close(&signals);
    raise(SIGTERM); /* after the end: held again */
    signals_close(&signals);
    event_base_free(base);
    return received[SIGTERM] == 1 ? 0 : 3;
}

static int claims_of_an_early_stop(void)
{
    signals_hold(false);
    raise(SIGHUP);
    raise(SIGTERM);
    return 1; /* not reached */
}

static int status_of(int (*claims)(void))
{
    pid_t child = fork();
    int status;

    assert_true(child != -1);
    if (child == 0)
        _exit(claims());
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void test_held_signals_arrive_once_the_loop_runs(void **state)
{
    (void)state;
    assert_int_equal(status_of(claims_of_held_signals), 0);
}

static void test_an_early_stop_ends_the_process_but_a_hangup_does_not(void **state)
{
    int status = status_of(claims_of_an_early_stop);

    (void)state;
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGTERM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_held_signals_arrive_once_the_loop_runs),
        cmocka_unit_test(test_an_early_stop_ends_the_process_but_a_hangup_does_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
