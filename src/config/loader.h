/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loader.h - reading all files of a configuration, in order, into settings.
 */
#ifndef CULVERT_CONFIG_LOADER_H
#define CULVERT_CONFIG_LOADER_H

#include "core/base.h"
#include "config/config.h"
#include "config/diagnostics.h"
#include "config/settings.h"
#include "config/source_file.h"

/* The most levels of files that include others. */
#define INCLUDE_DEPTH_MAX 8

/* What is being loaded; all parts belong to the configuration. */
struct loader {
    struct settings *settings;
    struct source_files *files;
    struct diagnostics *diagnostics;
    unsigned included; /* files read because another one names them */
};

/*
 * Reads what the sources name, each file followed by those it includes, then the overrides. What
 * is wrong is reported to the diagnostics.
 */
void loader_read(struct loader *loader, const struct config_sources *sources);

#endif
