/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_ktls.h - whether this machine's kernel can encrypt TLS records (kTLS), found out by doing it.
 */
#ifndef CULVERT_TLS_TLS_KTLS_H
#define CULVERT_TLS_TLS_KTLS_H

#include <stdbool.h>

/* What was tried and how far it came. */
struct tls_ktls {
    bool is_usable;      /* the kernel sealed every record, and the bytes arrived as they were */
    const char *finding; /* a fixed sentence for the log */
};

/*
 * Sends bytes through two TLS ends on a loopback pair, with the kernel's record layer for sending,
 * and compares what arrives. Tried once per process, at the first call; any thread.
 */
const struct tls_ktls *tls_ktls_probe(void);

#endif
