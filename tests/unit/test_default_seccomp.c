/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/default_seccomp.h"
#include "runtime/seccomp.h"
#include "runtime/spec.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <seccomp.h>

static const uint32_t arches[] = {
	SCMP_ARCH_X86_64, SCMP_ARCH_X86,  SCMP_ARCH_X32,     SCMP_ARCH_ARM,  SCMP_ARCH_AARCH64, SCMP_ARCH_PPC64LE,
	SCMP_ARCH_S390X,  SCMP_ARCH_S390, SCMP_ARCH_RISCV64, SCMP_ARCH_MIPS, SCMP_ARCH_MIPS64,
};
#define MAX_NUMBER 7000 /* mips starts at 4000 and at 5000 */

/* Every name that libseccomp knows was thought about. */
static void test_classified(void)
{
	unsigned known = 0, missing = 0;

	for (size_t a = 0; a < sizeof(arches) / sizeof(arches[0]); a++)
		for (int nr = 0; nr < MAX_NUMBER; nr++) {
			char *name = seccomp_syscall_resolve_num_arch(arches[a], arches[a] == SCMP_ARCH_X32 ? nr | 0x40000000 : nr);

			if (!name)
				continue;
			known++;
			if (default_seccomp_classify(name) == DEFAULT_SECCOMP_UNKNOWN) {
				printf("# not classified: %s\n", name);
				missing++;
			}
			free(name);
		}
	ok(known > 3000, "default seccomp: libseccomp knows many names (%u)", known);
	is_int(missing, 0, "default seccomp: each is classified");
	is_int(default_seccomp_classify("read"), DEFAULT_SECCOMP_ALLOWED, "default seccomp: read");
	is_int(default_seccomp_classify("clone"), DEFAULT_SECCOMP_ARGS, "default seccomp: clone");
	is_int(default_seccomp_classify("mount"), DEFAULT_SECCOMP_CAP, "default seccomp: mount");
	is_int(default_seccomp_classify("kexec_load"), DEFAULT_SECCOMP_DENIED, "default seccomp: kexec_load");
	is_int(default_seccomp_classify("rea"), DEFAULT_SECCOMP_UNKNOWN, "default seccomp: a part of a name is none");
}

static char *profile(const char *const *caps, unsigned kernel)
{
	struct buf out = { 0 };
	struct json_writer w = { .out = &out };

	default_seccomp_json(&w, caps, kernel);
	return buf_take(&out);
}

/* The rule's text for one name, with what allows or denies it; "" when no rule has it. */
static bool mentions(const char *text, const char *name)
{
	char quoted[64];

	snprintf(quoted, sizeof(quoted), "\"%s\"", name);
	return strstr(text, quoted) != NULL;
}

static void test_capabilities(void)
{
	static const char *const none[] = { NULL }, *const admin[] = { "CAP_SYS_ADMIN", NULL }, *const time[] = { "CAP_SYS_TIME", NULL };
	char *plain = profile(none, 6 << 16), *adm = profile(admin, 6 << 16), *tim = profile(time, 6 << 16), *old = profile(none, 4 << 16 | 7);

	ok(!mentions(plain, "mount") && mentions(adm, "mount") && !mentions(tim, "mount"), "default seccomp: mount wants CAP_SYS_ADMIN");
	ok(!mentions(plain, "clock_settime") && mentions(tim, "clock_settime"), "default seccomp: clock_settime wants CAP_SYS_TIME");
	ok(!mentions(adm, "kexec_load") && !mentions(adm, "io_uring_setup") && !mentions(adm, "keyctl"),
	   "default seccomp: some calls no capability opens");
	ok(mentions(plain, "ptrace") && !mentions(old, "ptrace"), "default seccomp: ptrace from 4.8 on");
	like(plain, "{\"names\":[\"clone3\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":38}", "default seccomp: clone3 is not implemented");
	ok(!strstr(adm, "\"errnoRet\""), "default seccomp: ... but for CAP_SYS_ADMIN it is");
	like(plain, "\"names\":[\"clone\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":2114060288,\"valueTwo\":0,"
		    "\"op\":\"SCMP_CMP_MASKED_EQ\"}]",
	     "default seccomp: clone makes no namespaces");
	free(plain);
	free(adm);
	free(tim);
	free(old);
}

/* The whole way: as a configuration, through the reader, to a filter. */
static void test_compiles(void)
{
	static const char *const caps[] = { "CAP_CHOWN", "CAP_NET_RAW", NULL };
	char *seccomp = profile(caps, default_seccomp_kernel()), *config;
	struct seccomp_prog prog = { 0 };
	struct spec spec = { 0 };
	int r;
	struct err err = { 0 };

	config = xasprintf("{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"r\"},\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"cwd\":\"/\",\"args\":[\"x\"]},"
			   "\"linux\":{\"seccomp\":%s}}",
			   seccomp);
	r = spec_parse(&spec, "config.json", config, strlen(config), false, &err);
	is_int(r, 0, "default seccomp: is a valid configuration (%s)", err.msg);
	if (r == 0) {
		is_int(seccomp_compile(&spec.seccomp, &spec.annotations, &prog, &err), 0, "default seccomp: compiles (%s)", err.msg);
		ok(prog.n > 100, "default seccomp: to a filter");
	}
	seccomp_prog_done(&prog);
	spec_done(&spec);
	free(config);
	free(seccomp);
}

int main(void)
{
	test_classified();
	test_capabilities();
	test_compiles();
	return done();
}
