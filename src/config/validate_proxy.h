/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate_proxy.h - who may name a client by a PROXY header, and what servers are told.
 */
#ifndef CULVERT_CONFIG_VALIDATE_PROXY_H
#define CULVERT_CONFIG_VALIDATE_PROXY_H

#include "core/base.h"
#include "config/diagnostics.h"
#include "config/settings.h"

/* Reports headers that anybody or nobody could send, and TLVs that are told to nobody. */
void validate_proxy(const struct settings *settings, struct diagnostics *diagnostics);

#endif
