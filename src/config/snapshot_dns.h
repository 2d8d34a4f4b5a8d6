/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot_dns.h - the part of a snapshot that is about the DNS.
 */
#ifndef CULVERT_CONFIG_SNAPSHOT_DNS_H
#define CULVERT_CONFIG_SNAPSHOT_DNS_H

#include <stdbool.h>

#include "core/base.h"
#include "config/settings.h"
#include "config/snapshot.h"

/* Fills a zeroed struct from checked settings. False without memory. */
bool snapshot_dns_fill(const struct settings *settings, struct dns_options *dns) CULVERT_MUST_CHECK;

/* What single values cannot say: DNS servers by their addresses, bounds in their order. */
void validate_dns(const struct settings *settings, struct diagnostics *diagnostics);

#endif
