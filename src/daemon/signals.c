/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals.c - holding signals, and handing them to the control loop.
 */
#include "daemon/signals.h"

#include <signal.h>
#include <sysexits.h>
#include <unistd.h>

static const struct {
    int number;
    bool is_stop;
} handled[SIGNAL_COUNT] = {
    {SIGTERM, true},  {SIGINT, true},  {SIGQUIT, true},
    {SIGUSR1, false}, {SIGHUP, false}, {SIGUSR2, false},
};

static void change_mask(int how, bool with_stops)
{
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        if (with_stops || !handled[i].is_stop)
            sigaddset(&set, handled[i].number);
    }
    sigprocmask(how, &set, NULL);
}

void signals_ignore(void)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
}

void signals_hold(bool with_stops)
{
    change_mask(SIG_BLOCK, with_stops || getpid() == 1);
}

bool signals_open(struct signal_events *signals, struct event_base *base,
                  event_callback_fn callback, void *argument, struct error *error)
{
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        signals->events[i] = evsignal_new(base, handled[i].number, callback, argument);
        if (signals->events[i] == NULL || event_add(signals->events[i], NULL) == -1)
            return error_set(error, EX_OSERR, "no memory for the handling of signals");
    }
    return true;
}

void signals_release(void)
{
    change_mask(SIG_UNBLOCK, true);
}

void signals_close(struct signal_events *signals)
{
    signals_hold(true);
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        if (signals->events[i] != NULL)
            event_free(signals->events[i]);
        signals->events[i] = NULL;
    }
}
