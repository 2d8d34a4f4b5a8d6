/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals.h - the signals culvert knows, from the first line of main() to the loop that takes them.
 *
 * Only the control thread takes signals; all other threads block them. While the process starts
 * they are held: none is lost, none kills a half-made process.
 */
#ifndef CULVERT_DAEMON_SIGNALS_H
#define CULVERT_DAEMON_SIGNALS_H

#include <event2/event.h>
#include <stdbool.h>

#include "core/base.h"
#include "core/error.h"

#define SIGNAL_COUNT 6 /* TERM INT QUIT USR1 HUP USR2 */

struct signal_events {
    struct event *events[SIGNAL_COUNT];
};

/* Ignores PIPE; and CHLD, so that process 1 of a container leaves no zombies of orphans. */
void signals_ignore(void);

/*
 * Holds the signals until signals_release(). Without `with_stops` TERM, INT and QUIT still end the
 * process at once, as long as it has nothing to clean up. Never so for process 1, which the kernel
 * does not end: the signal would be lost.
 */
void signals_hold(bool with_stops);

/* Lets `callback` have each signal, held ones included, once the base's loop runs. */
bool signals_open(struct signal_events *signals, struct event_base *base,
                  event_callback_fn callback, void *argument,
                  struct error *error) CULVERT_MUST_CHECK;
void signals_release(void);

/* Harmless when never opened. The signals are held again, not deadly. */
void signals_close(struct signal_events *signals);

#endif
