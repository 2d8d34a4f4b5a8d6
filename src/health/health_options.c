/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health_options.c - the end of a pool's options.
 */
#include "health/health_options.h"

#include <stdlib.h>

void health_options_free(struct health_options *options)
{
    if (options == NULL)
        return;
    exchange_options_release(&options->exchange);
    free(options->name);
    free(options->tls_name);
    free(options);
}
