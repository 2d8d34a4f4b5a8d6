/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crc32c.h - the checksum of PROXY headers: CRC-32C, Castagnoli's polynomial (RFC 3720, B.4).
 */
#ifndef CULVERT_NET_CRC32C_H
#define CULVERT_NET_CRC32C_H

#include <stddef.h>
#include <stdint.h>

#include "core/base.h"

/* The checksum of what `before` is the checksum of, followed by these bytes; 0 stands for nothing.
 */
uint32_t crc32c(uint32_t before, const void *bytes, size_t size);

#endif
