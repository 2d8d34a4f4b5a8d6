/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate_outgoing.h - where connections to servers come from and go to.
 */
#ifndef CULVERT_CONFIG_VALIDATE_OUTGOING_H
#define CULVERT_CONFIG_VALIDATE_OUTGOING_H

#include "core/base.h"
#include "config/diagnostics.h"
#include "config/settings.h"

/* Reports an `original` server that is not alone, is to be checked or whose clients dial no
   address, and a pool with two kinds of source addresses. */
void validate_outgoing(const struct settings *settings, struct diagnostics *diagnostics);

#endif
