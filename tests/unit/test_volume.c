/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/cli/volume.h"
#include "runtime/cli/volume_glob.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char *mounts_of(const char *dir, const struct volume_list *l)
{
	struct buf out = { 0 };
	struct json_writer w = { .out = &out };

	json_begin_array(&w);
	volume_mounts_json(dir, l, &w);
	json_end_array(&w);
	return buf_take(&out);
}

typedef int (*parse_fn)(struct volume_list *l, const char *value, struct err *err);

static void test_mounts(void)
{
	static const struct {
		parse_fn fn;
		const char *text, *mount;
	} rows[] = {
		{ volume_parse, "/a:/b", "[{\"destination\":\"/b\",\"type\":\"bind\",\"source\":\"/a\",\"options\":[\"rbind\",\"rprivate\",\"rw\"]}]" },
		{ volume_parse, "/a/../c:/b//d/:ro,Z,rshared",
		  "[{\"destination\":\"/b/d\",\"type\":\"bind\",\"source\":\"/c\",\"options\":[\"rbind\",\"rshared\",\"ro\"]}]" },
		{ volume_parse, "/a:/b:bind,noexec",
		  "[{\"destination\":\"/b\",\"type\":\"bind\",\"source\":\"/a\",\"options\":[\"rprivate\",\"bind\",\"noexec\",\"rw\"]}]" },
		{ volume_parse_mount, "type=bind,src=/a,dst=/b,readonly",
		  "[{\"destination\":\"/b\",\"type\":\"bind\",\"source\":\"/a\",\"options\":[\"rbind\",\"rprivate\",\"ro\"]}]" },
		{ volume_parse_mount, "type=bind,\"source=/a,b\",target=/b,bind-propagation=slave,ro=false",
		  "[{\"destination\":\"/b\",\"type\":\"bind\",\"source\":\"/a,b\",\"options\":[\"rbind\",\"slave\",\"rw\"]}]" },
		{ volume_parse_mount, "type=tmpfs,destination=/t,tmpfs-size=64m,tmpfs-mode=0700",
		  "[{\"destination\":\"/t\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"noexec\",\"nosuid\",\"nodev\",\"size=64m\","
		  "\"mode=0700\",\"rw\"]}]" },
		{ volume_parse_tmpfs, "/t",
		  "[{\"destination\":\"/t\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"noexec\",\"nosuid\",\"nodev\",\"mode=1777\","
		  "\"rw\"]}]" },
		{ volume_parse_tmpfs, "/t:exec,size=1g,ro",
		  "[{\"destination\":\"/t\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"nosuid\",\"nodev\",\"mode=1777\",\"exec\","
		  "\"size=1g\",\"ro\"]}]" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct volume_list l = { 0 };
		struct err err = { 0 };
		int r = rows[i].fn(&l, rows[i].text, &err);
		char *text = mounts_of("/nowhere", &l);

		is_str(r < 0 ? err.msg : text, rows[i].mount, "volume: %s", rows[i].text);
		free(text);
		volume_list_done(&l);
	}
}

static void test_refused(void)
{
	static const struct {
		parse_fn fn;
		const char *text, *why;
	} rows[] = {
		{ volume_parse, "", "not an absolute path" },
		{ volume_parse, "relative", "not an absolute path" },
		{ volume_parse, "/a:b", "'b' is not an absolute path" },
		{ volume_parse, "/a:/", "cannot be '/'" },
		{ volume_parse, "a/b:/c", "neither a path" },
		{ volume_parse, ":/c", "neither a path" },
		{ volume_parse, "/a:/b:sideways", "unknown option 'sideways'" },
		{ volume_parse, "/a:/b:ro:rw", "not [SOURCE:]DESTINATION" },
		{ volume_parse_mount, "type=bind,dst=/b", "needs a source" },
		{ volume_parse_mount, "type=bind,src=/a", "'target' is missing" },
		{ volume_parse_mount, "type=nfs,dst=/a", "unknown type 'nfs'" },
		{ volume_parse_mount, "type=tmpfs,src=/a,dst=/b", "has no source" },
		{ volume_parse_mount, "type=volume,src=/a,dst=/b", "no name for a volume" },
		{ volume_parse_mount, "type=bind,src=/a,dst=/b,tmpfs-size=1m", "unknown option" },
		{ volume_parse_mount, "type=bind,src=/a,dst=/b,color=red", "unknown option" },
		{ volume_parse_tmpfs, "t", "not an absolute path" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct volume_list l = { 0 };
		struct err err = { 0 };

		ok(rows[i].fn(&l, rows[i].text, &err) < 0, "volume: '%s' is refused", rows[i].text);
		like(err.msg, rows[i].why, "volume: ... with the reason");
		is_int(l.n, 0, "volume: ... and leaves nothing");
		volume_list_done(&l);
	}
}

static void test_lists(void)
{
	struct volume_list l = { 0 }, again = { 0 };
	struct err err = { 0 };
	struct buf out = { 0 }, out2 = { 0 };
	struct json_writer w = { .out = &out }, w2 = { .out = &out2 };
	struct arena arena = { 0 };
	struct json *root;

	is_int(volume_parse(&l, "data:/data:U,nocopy", &err), 0, "volume: a name");
	ok(l.v[0].kind == VOLUME_VOLUME && l.v[0].chown && l.v[0].nocopy && !l.v[0].anonymous, "volume: ... and its options");
	is_int(volume_parse(&l, "/anon", &err), 0, "volume: an anonymous one");
	ok(l.v[1].anonymous && !l.v[1].source, "volume: ... has no name yet");
	volume_add_image(&l, "/data/");
	is_int(l.n, 2, "volume: what the image wants where something is, is dropped");
	volume_add_image(&l, "/img");
	is_int(l.n, 3, "volume: elsewhere it is an anonymous volume");
	is_int(volume_list_check(&l, &err), 0, "volume: three places");
	volume_list_json(&l, &w);
	is_int(json_parse(&arena, "t", out.p, out.len, &root, &err), 0, "volume: a list as JSON");
	is_int(volume_list_load(&again, root, "t", &err), 0, "volume: ... and back");
	volume_list_json(&again, &w2);
	is_str(out2.p, out.p, "volume: ... is the same");
	is_int(volume_parse(&l, "/x:/anon", &err), 0, "volume: a second one on a place");
	ok(volume_list_check(&l, &err) < 0, "volume: ... is refused");
	like(err.msg, "'/anon'", "volume: ... by name");
	arena_done(&arena);
	buf_done(&out);
	buf_done(&out2);
	volume_list_done(&l);
	volume_list_done(&again);
}

static char top[] = "/tmp/brig-volume-XXXXXX";

static void make_rootfs(int d)
{
	(void)!mkdirat(d, "rootfs", 0755);
	(void)!mkdirat(d, "rootfs/data", 0750);
	(void)!mkdirat(d, "rootfs/data/sub", 0700);
	(void)!fd_write_file_atomic(d, "rootfs/data/sub/file", "text", 4, 0640, false);
	(void)!linkat(d, "rootfs/data/sub/file", d, "rootfs/data/link", 0);
	(void)!symlinkat("/etc/passwd", d, "rootfs/data/sym");
	(void)!symlinkat("../../../../../../tmp", d, "rootfs/escape");
}

static bool exists(int d, const char *path)
{
	return faccessat(d, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void test_life(void)
{
	AUTO_CLOSE int d = -1;
	AUTO_FREE char *dir = NULL, *text = NULL;
	struct volume_list l = { 0 };
	struct volume_container c = { .id = "c1", .uid = getuid(), .gid = getgid() };
	struct volume v = { 0 };
	struct err err = { 0 };
	struct stat st, st2;
	char path[128];

	if (!mkdtemp(top))
		abort();
	d = open(top, O_DIRECTORY | O_CLOEXEC);
	dir = xasprintf("%s/volumes", top);
	make_rootfs(d);
	c.rootfs_fd = openat(d, "rootfs", O_DIRECTORY | O_CLOEXEC);
	(void)!volume_parse(&l, "data:/data", &err);
	(void)!volume_parse(&l, "/escape", &err);
	is_int(volume_prepare(dir, &l, &c, &err), 0, "volume: prepared (%s)", err.msg);
	text = NULL;
	is_int(fd_read_file(d, "volumes/data/_data/sub/file", 64, &text, NULL), 0, "volume: is filled from the image");
	is_str(text, "text", "volume: ... with contents");
	ok(fstatat(d, "volumes/data/_data/sub/file", &st, 0) == 0 && fstatat(d, "volumes/data/_data/link", &st2, 0) == 0 &&
		   st.st_ino == st2.st_ino && (st.st_mode & 07777) == 0640,
	   "volume: ... hardlinks and modes");
	ok(fstatat(d, "volumes/data/_data", &st, 0) == 0 && (st.st_mode & 07777) == 0750, "volume: ... and the directory's own mode");
	ok(fstatat(d, "volumes/data/_data/sym", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode), "volume: ... symlinks as such");
	ok(l.v[1].source && strlen(l.v[1].source) == 64, "volume: the anonymous one has a name now");
	snprintf(path, sizeof(path), "volumes/%s/_data", l.v[1].source ? l.v[1].source : "");
	ok(exists(d, path), "volume: ... and a place");
	ok(volume_remove(dir, "data", &err) == -EBUSY, "volume: in use, it is not removed");
	like(err.msg, "in use by c1", "volume: ... and the user is named");
	/* A second start does not fill it again. */
	(void)!unlinkat(d, "volumes/data/_data/link", 0);
	is_int(volume_prepare(dir, &l, &c, &err), 0, "volume: prepared again");
	ok(!exists(d, "volumes/data/_data/link"), "volume: what was in it stays as it was");
	is_int(volume_load(dir, "da", &v, &err), 0, "volume: found by the beginning of its name");
	volume_done(&v);
	is_int(volume_release(dir, &l, "c1", true, &err), 0, "volume: released");
	is_int(volume_release(dir, &l, "c1", true, &err), 0, "volume: ... twice");
	ok(!exists(d, path) && exists(d, "volumes/data"), "volume: the anonymous one goes with its container, the named one stays");
	is_int(volume_remove(dir, "data", &err), 0, "volume: removed");
	ok(!exists(d, "volumes/data"), "volume: ... and gone");
	ok(volume_load(dir, "data", &v, &err) == -ENOENT, "volume: ... unknown");
	like(err.msg, "no such volume", "volume: ... as the error says");
	ok(volume_create(dir, "../x", NULL, NULL, false, NULL, &err) == -EINVAL, "volume: a name that is a path is refused");
	fd_close(&c.rootfs_fd);
	volume_list_done(&l);
}

static void test_sources(void)
{
	AUTO_FREE char *dir = xasprintf("%s/volumes", top), *flag = xasprintf("%s/made/here:/x", top), *mount = NULL;
	struct volume_list l = { 0 };
	struct volume_container c = { .id = "c1", .rootfs_fd = -1 };
	struct err err = { 0 };

	(void)!volume_parse(&l, flag, &err);
	is_int(volume_prepare(dir, &l, &c, &err), 0, "volume: -v makes its source");
	ok(access(l.v[0].source, F_OK) == 0, "volume: ... as a directory");
	volume_list_done(&l);
	mount = xasprintf("type=bind,src=%s/absent,dst=/x", top);
	(void)!volume_parse_mount(&l, mount, &err);
	ok(volume_prepare(dir, &l, &c, &err) == -ENOENT, "volume: --mount does not");
	like(err.msg, "absent", "volume: ... and names it");
	volume_list_done(&l);
}

/* What matches, without the folder in front, a space behind each. */
static char *globbed(const char *dir, const char *pattern)
{
	CLEANUP(glob_done) struct glob_paths found = { 0 };
	AUTO_FREE char *whole = xasprintf("%s/%s", dir, pattern);
	struct buf out = { 0 };

	glob_find(&found, whole);
	for (size_t i = 0; i < found.n; i++)
		buf_addf(&out, "%s ", found.v[i] + strlen(dir) + 1);
	return buf_take(&out);
}

static void test_glob(void)
{
	static const struct {
		const char *pattern, *found;
	} rows[] = {
		{ "a*", "a1 a2 " },	{ "*", "a1 a2 d " },	{ ".h*", ".hidden " }, { "?1", "a1 " },
		{ "[b-z]", "d " },	{ "d/*/f?", "d/e/f1 " }, { "*/e", "d/e " },     { "a1/x*", "" },
		{ "d/e/f1", "d/e/f1 " }, { "none*", "" },	{ "none", "" },	       { "\\*", "" },
	};
	AUTO_FREE char *dir = xasprintf("%s/glob", top);
	AUTO_CLOSE int fd = -1;

	ok(mkdir(dir, 0700) == 0, "glob: a folder");
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok(mkdirat(fd, "d", 0700) == 0 && mkdirat(fd, "d/e", 0700) == 0, "glob: folders in it");
	is_int(fd_write_new_file(fd, "a1", "", 0, 0600) | fd_write_new_file(fd, "a2", "", 0, 0600) |
		       fd_write_new_file(fd, ".hidden", "", 0, 0600) | fd_write_new_file(fd, "d/e/f1", "", 0, 0600),
	       0, "glob: files");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_FREE char *found = globbed(dir, rows[i].pattern);

		is_str(found, rows[i].found, "glob: %s", rows[i].pattern);
	}
}

int main(void)
{
	AUTO_FREE char *clean = NULL;

	test_mounts();
	test_refused();
	test_lists();
	test_life();
	test_sources();
	test_glob();
	clean = xasprintf("rm -rf '%s'", top);
	(void)!system(clean);
	return done();
}
