/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify.h - telling the service manager how far culvert is (sd_notify(3), without its library).
 */
#ifndef CULVERT_DAEMON_NOTIFY_H
#define CULVERT_DAEMON_NOTIFY_H

/* Sends "READY=1" and the like to $NOTIFY_SOCKET; without that variable, and on any error: nothing.
 */
void notify_send(const char *state);

#endif
