/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - where the process starts; everything else is in daemon/. */
#include "daemon/daemon.h"

int main(int argc, char **argv)
{
    return daemon_run(argc, argv);
}
