/* SPDX-License-Identifier: Apache-2.0 */
/*
 * embedded.c - the configuration inside the program: an echo service behind culvert, so that a
 * first run without any file shows something, and a container is configured by its environment.
 */
#include "config/config.h"

const char config_embedded[] =
    "# culvert's built-in configuration. Override: -c FILE, /etc/culvert/culvert.ini, or these "
    "variables.\n"
    "[listen main]\n"
    "bind   = ${CULVERT_LISTEN:-127.0.0.1:8080}\n"
    "server = ${CULVERT_SERVERS:-builtin:echo}\n"
    "tls    = ${CULVERT_TLS:-off}\n"
    "\n"
    "[defaults]\n"
    "idle_timeout = ${CULVERT_IDLE_TIMEOUT:-1h}\n"
    "send_proxy   = ${CULVERT_SEND_PROXY:-off}\n"
    "\n"
    "[admin]\n"
    "bind = ${CULVERT_ADMIN:-127.0.0.1:9797}\n"
    "\n"
    "[metrics]\n"
    "bind = ${CULVERT_METRICS:-127.0.0.1:9797}\n";
