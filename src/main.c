/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - where the process starts; everything else is in daemon/. */
int main(void)
{
    return 0;
}
