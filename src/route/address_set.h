/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address_set.h - an immutable set of IP addresses, made from prefixes.
 *
 * A look-up compares at most as many times as the address has bits, however many prefixes there
 * are. IPv4 and IPv6 are apart, as in a prefix: 0.0.0.0/0 holds no IPv6 address and ::/0 no IPv4
 * one. A v4-mapped IPv6 address or prefix means the IPv4 one.
 */
#ifndef CULVERT_ROUTE_ADDRESS_SET_H
#define CULVERT_ROUTE_ADDRESS_SET_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base.h"
#include "net/addr.h"

struct address_set;

/* The prefixes may stand in any order, twice, or within one another. NULL without memory. */
struct address_set *address_set_create(const struct prefix *prefixes, size_t count);

/* NULL is allowed. */
void address_set_destroy(struct address_set *set);

/* Clients without an IP address are in no set. */
bool address_set_contains(const struct address_set *set, const struct addr *addr);

#endif
