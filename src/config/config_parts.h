/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_parts.h - what a configuration consists of, for the files of this folder.
 */
#ifndef CULVERT_CONFIG_CONFIG_PARTS_H
#define CULVERT_CONFIG_CONFIG_PARTS_H

#include "config/config.h"
#include "config/diagnostics.h"
#include "config/settings.h"
#include "config/source_file.h"
#include "config/tls_uses.h"

struct config {
    struct settings settings;
    struct source_files files;
    struct diagnostics diagnostics;
    struct tls_uses tls;
    char *source; /* "culvert.ini (+2 included)" */
};

#endif
