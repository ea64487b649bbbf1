/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_TARLOG_PRIV_H
#define BRIG_IMAGES_TARLOG_PRIV_H

#define TARLOG_MAGIC	   "BRIGTAR1"
#define TARLOG_MAGIC_BYTES 8

#endif
