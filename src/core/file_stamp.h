/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_stamp.h - whether a file is still the one that was read.
 *
 * Files change under a running process, and often by a swapped symbolic link: Kubernetes keeps the
 * files of a secret or a config map in a folder of its own and lets `..data` point to the newest. A
 * stamp therefore covers what stat(2) says of the file and of each symbolic link on the way to it.
 */
#ifndef CULVERT_CORE_FILE_STAMP_H
#define CULVERT_CORE_FILE_STAMP_H

#include <stdint.h>

/*
 * A number that differs when the file that the path leads to, or a link on the way, is another one
 * or has been written to. A path that leads nowhere has a stamp as well. `seed` chains stamps.
 */
uint64_t file_stamp(uint64_t seed, const char *path);

#endif
