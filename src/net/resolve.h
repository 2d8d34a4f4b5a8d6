/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolve.h - host names to addresses, once, while culvert starts.
 *
 * Blocking (getaddrinfo(3)); never called from a worker. Discovery replaces it later.
 */
#ifndef CULVERT_NET_RESOLVE_H
#define CULVERT_NET_RESOLVE_H

#include <stddef.h>
#include <stdint.h>

#include "net/addr.h"

/*
 * Looks up all stream addresses of `host`, with `port`, in getaddrinfo's order, each once. On
 * success `*addrs` is an array of `*count` >= 1 for free(3). False with the error set otherwise.
 */
bool resolve_host(const char *host, uint16_t port, struct addr **addrs, size_t *count,
                  struct error *error) CULVERT_MUST_CHECK;

#endif
