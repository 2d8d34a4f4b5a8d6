/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link_only.c - the empty program of the layering tests: linked with one whole layer and the
 * layers to its left, it shows that the layer calls nothing to its right.
 */
int main(void)
{
    return 0;
}
