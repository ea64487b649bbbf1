/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run one virtual machine from the command line: for tests and for a look at a kernel.
 *
 *   vmrun --kernel FILE [--initrd FILE] [--cmdline TEXT] [--mem MIB] [--cpus N] [--early] [--stages]
 *         [--fs TAG=DIR[,ro][,dax=MIB][,cache=auto|always|none]]
 *         [--blk FILE] [--blk-ro FILE] [--pmem FILE] [--net TAP] [--balloon]
 *
 *   vmrun --probe     whether this KVM can run a stock kernel: exit code 0 or 1
 *
 * The guest's console (hvc0) is standard input and output. The last line on standard error says how the guest
 * ended; exit code 0: power-off, 2: reset, 3: triple fault, 4: any other end, 1: it could not start.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <unistd.h>

#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "vm-mode/virtio/console.h"
#include "vm-mode/virtio/balloon.h"
#include "vm-mode/virtio/blk.h"
#include "vm-mode/virtio/fs.h"
#include "vm-mode/virtio/net.h"
#include "vm-mode/virtio/pmem.h"
#include "vm-mode/virtio/rng.h"
#include "vm-mode/vmm/probe_x86.h"
#include "vm-mode/vmm/vm.h"

#define MAX_SHARES 4

struct options {
	char *fs[MAX_SHARES]; /* borrowed from argv, cut up while they are read */
	unsigned n_fs;
	const char *kernel, *initrd, *cmdline;
	uint64_t mem_mib;
	unsigned cpus;
	bool early, stages, balloon, probe;
	const char *blk, *blk_ro, *pmem, *net;
};

static void on_stage(void *arg, uint8_t stage, uint64_t ns)
{
	(void)arg;
	fprintf(stderr, "vmrun: stage %u at %llu us\n", stage, (unsigned long long)(ns / 1000));
}

static int fs_option(char *word, struct fs_config *c)
{
	uint64_t mib;

	if (str_eq(word, "ro"))
		c->readonly = true;
	else if (str_eq(word, "cache=always"))
		c->cache = FS_CACHE_ALWAYS;
	else if (str_eq(word, "cache=none"))
		c->cache = FS_CACHE_NONE;
	else if (str_eq(word, "cache=auto"))
		c->cache = FS_CACHE_AUTO;
	else if (str_starts(word, "dax=") && str_to_u64(word + 4, &mib) == 0)
		c->dax_bytes = mib << 20;
	else
		return -EINVAL;
	return 0;
}

static int add_fs(struct vm *vm, char *text, struct err *err)
{
	struct fs_config c = { .tag = strsep(&text, "="), .root_fd = -1 };
	const char *dir = strsep(&text, ",");
	AUTO_CLOSE int fd = dir ? open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	struct virtio_dev *dev;
	char *word;
	int r;

	if (fd < 0)
		return err_sys(err, -errno, "open the directory of --fs %s", c.tag);
	while ((word = strsep(&text, ",")))
		if (fs_option(word, &c) < 0)
			return err_set(err, EINVAL, "--fs: bad option '%s'", word);
	c.root_fd = fd;
	r = fs_new(&vm->mem, &c, &dev, err);
	return r < 0 ? r : vm_add_device(vm, dev, err);
}

static int add_file(struct vm *vm, const char *path, bool pmem, bool readonly, struct err *err)
{
	AUTO_CLOSE int fd = open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	struct blk_config c = { .fd = fd, .readonly = readonly, .serial = "vmrun" };
	struct virtio_dev *dev;
	int r;

	if (fd < 0)
		return err_sys(err, -errno, "open '%s'", path);
	r = pmem ? pmem_new(&vm->mem, fd, &dev, err) : blk_new(&vm->mem, &c, &dev, err);
	return r < 0 ? r : vm_add_device(vm, dev, err);
}

static int add_net(struct vm *vm, const char *name, struct err *err)
{
	AUTO_CLOSE int fd = net_open_tap(name, err);
	struct net_config c = { .tap_fd = fd, .mac = { 2, 0, 0, 0, 0, 1 }, .mtu = 1400 };
	struct virtio_dev *dev;
	int r = fd < 0 ? fd : net_new(&vm->mem, &c, &dev, err);

	return r < 0 ? r : vm_add_device(vm, dev, err);
}

static int add_balloon(struct vm *vm, struct err *err)
{
	struct virtio_dev *dev;
	int r = balloon_new(&vm->mem, &dev, err);

	return r < 0 ? r : vm_add_device(vm, dev, err);
}

static int add_devices(struct vm *vm, const struct options *o, struct err *err)
{
	struct console_port_config port = { .in_fd = 0, .out_fd = 1, .console = true };
	struct virtio_dev *dev;
	int r = console_new(&vm->mem, &port, 1, &dev, err);

	if (r == 0)
		r = vm_add_device(vm, dev, err);
	if (r == 0)
		r = rng_new(&vm->mem, &dev, err);
	if (r == 0)
		r = vm_add_device(vm, dev, err);
	for (unsigned i = 0; i < o->n_fs && r == 0; i++)
		r = add_fs(vm, o->fs[i], err);
	if (r == 0 && o->blk)
		r = add_file(vm, o->blk, false, false, err);
	if (r == 0 && o->blk_ro)
		r = add_file(vm, o->blk_ro, false, true, err);
	if (r == 0 && o->pmem)
		r = add_file(vm, o->pmem, true, true, err);
	if (r == 0 && o->net)
		r = add_net(vm, o->net, err);
	if (r == 0 && o->balloon)
		r = add_balloon(vm, err);
	return r;
}

static int run(const struct options *o, struct vm_exit *ret, struct err *err)
{
	AUTO_CLOSE int kernel = open(o->kernel, O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int initrd = o->initrd ? open(o->initrd, O_RDONLY | O_CLOEXEC) : -1;
	struct vm_config config = { .mem_bytes = o->mem_mib << 20,
				    .cpus = o->cpus,
				    .kernel_fd = kernel,
				    .initrd_fd = initrd,
				    .cmdline = o->cmdline,
				    .early_console_fd = o->early ? 2 : -1,
				    .on_stage = o->stages ? on_stage : NULL };
	struct vm *vm;
	int r;

	if (kernel < 0)
		return err_sys(err, -errno, "open '%s'", o->kernel);
	if (o->initrd && initrd < 0)
		return err_sys(err, -errno, "open '%s'", o->initrd);
	r = vm_create(&config, &vm, err);
	if (r < 0)
		return r;
	r = add_devices(vm, o, err);
	if (r == 0)
		r = vm_start(vm, err);
	if (r == 0)
		vm_wait(vm, ret);
	vm_free(vm);
	return r;
}

static int exit_code(enum vm_end end)
{
	return end == VM_POWER_OFF ? 0 : end == VM_RESET ? 2 : end == VM_TRIPLE_FAULT ? 3 : 4;
}

enum { OPT_KERNEL = 256, OPT_INITRD, OPT_CMDLINE, OPT_MEM, OPT_CPUS, OPT_EARLY, OPT_STAGES, OPT_FS, OPT_BLK, OPT_BLK_RO, OPT_PMEM, OPT_NET, OPT_BALLOON, OPT_PROBE };

static const struct option long_options[] = {
	{ "kernel", required_argument, NULL, OPT_KERNEL },   { "initrd", required_argument, NULL, OPT_INITRD },
	{ "cmdline", required_argument, NULL, OPT_CMDLINE }, { "mem", required_argument, NULL, OPT_MEM },
	{ "cpus", required_argument, NULL, OPT_CPUS },	     { "early", no_argument, NULL, OPT_EARLY },
	{ "stages", no_argument, NULL, OPT_STAGES },	     { "fs", required_argument, NULL, OPT_FS },
	{ "blk", required_argument, NULL, OPT_BLK },	     { "blk-ro", required_argument, NULL, OPT_BLK_RO },
	{ "pmem", required_argument, NULL, OPT_PMEM },	     { "net", required_argument, NULL, OPT_NET },
	{ "balloon", no_argument, NULL, OPT_BALLOON },	     { "probe", no_argument, NULL, OPT_PROBE },
	{ 0 },
};

static int parse(int argc, char **argv, struct options *o)
{
	int c, r = 0;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1 && r == 0) {
		switch (c) {
		case OPT_KERNEL:
			o->kernel = optarg;
			break;
		case OPT_INITRD:
			o->initrd = optarg;
			break;
		case OPT_CMDLINE:
			o->cmdline = optarg;
			break;
		case OPT_MEM:
			r = str_to_u64(optarg, &o->mem_mib);
			break;
		case OPT_CPUS:
			r = str_to_u32(optarg, &o->cpus);
			break;
		case OPT_EARLY:
			o->early = true;
			break;
		case OPT_FS:
			if (o->n_fs == MAX_SHARES)
				return -E2BIG;
			o->fs[o->n_fs++] = optarg;
			break;
		case OPT_BLK:
			o->blk = optarg;
			break;
		case OPT_BLK_RO:
			o->blk_ro = optarg;
			break;
		case OPT_PMEM:
			o->pmem = optarg;
			break;
		case OPT_NET:
			o->net = optarg;
			break;
		case OPT_BALLOON:
			o->balloon = true;
			break;
		case OPT_PROBE:
			o->probe = true;
			break;
		case OPT_STAGES:
			o->stages = true;
			break;
		default:
			return -EINVAL;
		}
	}
	return r < 0 || (!o->kernel && !o->probe) || optind != argc ? -EINVAL : 0;
}

int main(int argc, char **argv)
{
	struct options o = { .cmdline = "console=hvc0", .mem_mib = 256, .cpus = 1 };
	struct vm_exit end = { 0 };
	struct err err = { 0 };

	(void)signal(SIGPIPE, SIG_IGN);
	if (parse(argc, argv, &o) < 0) {
		fprintf(stderr, "usage: vmrun --kernel FILE [--initrd FILE] [--cmdline TEXT] [--mem MIB] [--cpus N]\n");
		return 1;
	}
	if (o.probe) {
		int r = probe_kvm(&err);

		printf("vmrun: %s\n", r < 0 ? err.msg : "KVM runs stock kernels");
		return r < 0;
	}
	if (run(&o, &end, &err) < 0) {
		fprintf(stderr, "vmrun: %s\n", err.msg);
		return 1;
	}
	fprintf(stderr, "vmrun: %s %s\n", vm_end_name(end.end), end.detail);
	return exit_code(end.end);
}
