/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/table.h"
#include "runtime/cli/template.h"
#include "tests/unit/tap.h"

static const char sample[] =
	"{\"ID\":\"0123456789abcdef\",\"Names\":[\"b\",\"a\"],\"Size\":1234,\"Empty\":[],\"Up\":true,\"Nothing\":null,"
	"\"Config\":{\"Env\":[\"A=1\"],\"Labels\":{\"z.y\":\"1\",\"a\":\"2\"}}}";

/* The text that a template makes, or the error's. */
static char *render(const char *text)
{
	struct arena arena = { 0 };
	struct template *t = NULL;
	struct json *v = NULL;
	struct buf out = { 0 };
	struct err err = { 0 };
	int r = json_parse(&arena, "sample", sample, sizeof(sample) - 1, &v, &err);

	if (r == 0)
		r = template_parse(text, &t, &err);
	if (r == 0)
		r = template_run(t, v, &out, &err);
	template_free(t);
	arena_done(&arena);
	if (r < 0) {
		buf_done(&out);
		return xstrdup(err.msg);
	}
	return buf_take(&out);
}

static void is(const char *text, const char *want)
{
	AUTO_FREE char *got = render(text);

	ok(str_eq(got, want), "template: %s", text);
	if (!str_eq(got, want))
		printf("# got  '%s'\n# want '%s'\n", got, want);
}

static void test_templates(void)
{
	is("{{.ID}}\\t{{.Size}}\\n", "0123456789abcdef\t1234\n");
	is("{{.id}} {{ .Config.Env }}", "0123456789abcdef [A=1]");
	is("{{json .Config}}", "{\"Env\":[\"A=1\"],\"Labels\":{\"z.y\":\"1\",\"a\":\"2\"}}");
	is("{{.Names | json}}", "[\"b\",\"a\"]");
	is("{{.Config.Labels}}", "map[a:2 z.y:1]");
	is("{{index .Config.Labels \"z.y\"}}{{index .Config.Labels \"none\"}}{{index .Names 1}}", "1a");
	is("{{range .Names}}<{{.}}>{{end}}", "<b><a>");
	is("{{range $i, $n := .Names}}{{$i}}={{$n}} {{$.Size}};{{end}}", "0=b 1234;1=a 1234;");
	is("{{range $k, $v := .Config.Labels}}{{$k}}={{$v}},{{end}}", "a=2,z.y=1,");
	is("{{range .Empty}}x{{else}}none{{end}}", "none");
	is("{{if .Up}}up{{else}}down{{end}}", "up");
	is("{{if .Empty}}a{{else if eq .Size 1234}}b{{else}}c{{end}}", "b");
	is("{{with .Config}}{{.Env}}{{end}}{{with .Empty}}x{{end}}", "[A=1]");
	is("{{len .Names}} {{len .ID}} {{len .Nothing}}", "2 16 0");
	is("{{join .Names \",\"}} {{slice .ID 0 4}} {{upper \"ab\"}} {{title \"ab cd\"}}", "b,a 0123 AB Ab Cd");
	is("{{printf \"%-5s|%5d|%.3s|%q\" \"x\" .Size .ID \"y\"}}", "x    | 1234|012|\"y\"");
	is("a {{- .Size -}} b{{/* comment */}}", "a1234b");
	is("{{$x := .Size}}{{$x}}{{`raw\\t`}}", "1234raw\\t");
	is("{{(index .Names 0)}} {{(len .Names) | printf \"%d\"}}", "b 2");
	is("{{not .Up}} {{and .Up .Size}} {{or .Empty .ID}} {{lt 2 10}} {{ge 2 10}}", "false 1234 0123456789abcdef true false");
	is("{{.Nothing.Deep}} {{.Nothing}}", "<nil> <nil>");
	is("{{println .Size .Up}}", "1234 true\n");
}

static void test_errors(void)
{
	static const char *const bad[] = {
		"{{.Nope}}", "{{", "{{.ID", "{{if .Up}}", "{{end}}", "{{else}}", "{{nofunc .ID}}", "{{.ID .Size}}", "{{len}}",
		"{{index .Names 7}}", "{{\"open}}", "{{range .Names}}{{.X}}{{end}}", "{{$nope}}", "{{(len .Names}}", "{{len .Size}}",
		"{{}}", "{{.ID | }}", "{{slice .ID 3 2}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO_FREE char *got = render(bad[i]);

		ok(str_starts(got, "template: "), "template: refuses %s", bad[i]);
	}
}

static void test_depth(void)
{
	AUTO_BUF struct buf b = { 0 };
	AUTO_FREE char *got = NULL;

	for (int i = 0; i < 1000; i++)
		buf_add(&b, "{{if .Up}}");
	got = render(b.p);
	ok(strstr(got, "nested too deeply") != NULL, "template: bounded depth");
}

static const struct table_heading headings[] = { { "ID", "IMAGE ID" }, { NULL, NULL } };

static char *rows(const char *format, bool no_heading)
{
	static const char text[] = "[{\"ID\":\"a\",\"Size\":1},{\"ID\":\"a-long-name-\xc3\xa4\",\"Size\":2}]";
	struct table_style style = { .columns = "{{.ID}}\t{{.Size}}", .headings = headings, .no_heading = no_heading };
	struct arena arena = { 0 };
	struct json *v = NULL;
	struct buf out = { 0 };
	struct err err = { 0 };
	int r = json_parse(&arena, "rows", text, sizeof(text) - 1, &v, &err);

	if (r == 0)
		r = table_format(&style, format, v, &out, &err);
	arena_done(&arena);
	if (r < 0)
		buf_add(&out, err.msg);
	return buf_take(&out);
}

static void table_is(const char *format, bool no_heading, const char *want)
{
	AUTO_FREE char *got = rows(format, no_heading);

	ok(str_eq(got, want), "table: format %s", format ? format : "none");
	if (!str_eq(got, want))
		printf("# got  '%s'\n# want '%s'\n", got, want);
}

static void test_tables(void)
{
	table_is(NULL, false, "IMAGE ID       SIZE\na              1\na-long-name-\xc3\xa4  2\n");
	table_is("table", true, "a              1\na-long-name-\xc3\xa4  2\n");
	table_is("table {{.Size}}\\t{{.ID}}", false, "SIZE        IMAGE ID\n1           a\n2           a-long-name-\xc3\xa4\n");
	table_is("{{.ID}}:{{.Size}}", false, "a:1\na-long-name-\xc3\xa4:2\n");
	table_is("json", false, "[\n  {\n    \"ID\": \"a\",\n    \"Size\": 1\n  },\n  {\n    \"ID\": \"a-long-name-\xc3\xa4\",\n    \"Size\": 2\n  }\n]\n");
	table_is("{{.Nope}}", false, "template: can't evaluate field Nope");
}

static void age_is(int64_t s, const char *want)
{
	AUTO_FREE char *got = table_age(s);

	ok(str_eq(got, want), "table: %lld seconds are '%s' (%s)", (long long)s, want, got);
}

static void size_is(uint64_t n, const char *want)
{
	AUTO_FREE char *got = table_size(n, " ");

	ok(str_eq(got, want), "table: %llu bytes are '%s' (%s)", (unsigned long long)n, want, got);
}

static void test_cells(void)
{
	int64_t t = 0;

	age_is(0, "Less than a second");
	age_is(1, "1 second");
	age_is(59, "59 seconds");
	age_is(61, "About a minute");
	age_is(3599, "59 minutes");
	age_is(3700, "About an hour");
	age_is(2 * 3600, "2 hours");
	age_is(47 * 3600, "47 hours");
	age_is(3 * 86400, "3 days");
	age_is(21 * 86400, "3 weeks");
	age_is(90 * 86400, "3 months");
	age_is(800LL * 86400, "2 years");
	size_is(0, "0 B");
	size_is(999, "999 B");
	size_is(1234567, "1.23 MB");
	size_is(212000000, "212 MB");
	size_is(999999999, "1 GB");
	ok(table_parse_time("1970-01-02T00:00:00.123456789Z", &t) == 0 && t == 86400, "table: a time in UTC");
	ok(table_parse_time("1970-01-01T02:30:00+02:30", &t) == 0 && t == 0, "table: a time with a zone");
	ok(table_parse_time("1969-12-31T21:30:00-02:30", &t) == 0 && t == 0, "table: a time with a zone west of it");
	ok(table_parse_time("yesterday", &t) < 0, "table: no time");
}

int main(void)
{
	test_templates();
	test_errors();
	test_depth();
	test_tables();
	test_cells();
	return done();
}
