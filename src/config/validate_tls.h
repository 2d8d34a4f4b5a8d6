/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate_tls.h - TLS that is well-formed and still cannot work, or protects nobody.
 */
#ifndef CULVERT_CONFIG_VALIDATE_TLS_H
#define CULVERT_CONFIG_VALIDATE_TLS_H

#include "core/base.h"
#include "config/diagnostics.h"
#include "config/settings.h"
#include "config/tls_uses.h"

/* Checks [tls] sections in the roles they are used in, and what listeners and pools ask of TLS. */
void validate_tls(const struct settings *settings, const struct tls_uses *uses,
                  struct diagnostics *diagnostics);

#endif
