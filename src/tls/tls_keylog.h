/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_keylog.h - the secrets of sessions, for those who must look into captured traffic
 * (SSLKEYLOGFILE format).
 */
#ifndef CULVERT_TLS_TLS_KEYLOG_H
#define CULVERT_TLS_TLS_KEYLOG_H

#include "core/base.h"
#include "core/error.h"

/*
 * Opens the file for appending, or makes it; only its owner may read it. A link, anything that is
 * not a file, and one that others may read are refused. -1 with the error set.
 */
int tls_keylog_open(const char *path, struct error *error) CULVERT_MUST_CHECK;

/* Appends a line in one write(2), so that threads (and processes) do not mix theirs. What cannot be
   written is lost. */
void tls_keylog_write(int fd, const char *line);

#endif
