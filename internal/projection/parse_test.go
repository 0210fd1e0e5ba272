package projection

import (
	"fmt"
	"strings"
	"testing"
)

// outline shows what was read, one line a statement.
func outline(p *Projection) string {
	var b strings.Builder
	for _, s := range p.setup {
		fmt.Fprintf(&b, "%d: %q\n", s.line, s.Render("$"))
	}
	for _, block := range p.blocks {
		fmt.Fprintf(&b, "%d on", block.line)
		for _, n := range block.names {
			fmt.Fprintf(&b, " <%s|%s>", n.feed, n.event)
		}
		if block.live {
			b.WriteString(" live")
		}
		if block.schemas != nil {
			fmt.Fprintf(&b, " %d %q", block.schemaLine, block.schemas)
		}
		b.WriteString("\n")
		for _, s := range block.statements {
			fmt.Fprintf(&b, "%d: %q\n", s.line, s.Render("$"))
		}
	}
	return b.String()
}

func TestFilesAreReadAsSetUpAndBlocks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ rule, text, want string }{
		{"set-up only", "-- tables\nCREATE TABLE a (b int) ; ;\n\nCREATE INDEX c ON a (b)\n", `2: "CREATE TABLE a (b int)"` + "\n" + `4: "CREATE INDEX c ON a (b)"` + "\n"},
		{"a byte order mark", "\ufeffSELECT 1", "1: \"SELECT 1\"\n"},
		{"a block", "-- on A\nINSERT INTO a VALUES (:id, :feed, :id);", "1 on <|A>\n2: \"INSERT INTO a VALUES ($1, $2, $1)\"\n"},
		{"line ends of Windows", "-- on A\r\nSELECT :id;\r\n-- on B live\r\n", "1 on <|A>\n2: \"SELECT $1\"\n3 on <|B> live\n"},
		{"a block without statements", "-- on A, B\n-- on C\n", "1 on <|A> <|B>\n2 on <|C>\n"},
		{"a head ends a statement", "SELECT 1\n-- on A\nSELECT 2\n-- on B", "1: \"SELECT 1\"\n2 on <|A>\n3: \"SELECT 2\"\n4 on <|B>\n"},
		{"names", `-- on a/B,com.example.created , "x y",c/"d/e", "f"/g, "it""s", a/b/c, "live", x/live, "*" live`,
			"1 on <a|B> <|com.example.created> <|x y> <c|d/e> <f|g> <|it\"s> <a|b/c> <|live> <x|live> <|*> live\n"},
		{"semicolons where they end nothing", `SELECT ';', ";", $$;$$ /* ; */ -- ;` + "\n;SELECT 2", `1: "SELECT ';', \";\", $$;$$"` + "\n" + `2: "SELECT 2"` + "\n"},
		{"a trigger of SQLite", "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET b = CASE WHEN 1 THEN 2 END; DELETE FROM a WHERE end; END; SELECT 1",
			"1: \"CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET b = CASE WHEN 1 THEN 2 END; DELETE FROM a WHERE end; END\"\n1: \"SELECT 1\"\n"},
		{"a trigger of PostgreSQL", "CREATE TRIGGER t BEFORE INSERT ON a EXECUTE FUNCTION f(); SELECT 1", "1: \"CREATE TRIGGER t BEFORE INSERT ON a EXECUTE FUNCTION f()\"\n1: \"SELECT 1\"\n"},
		{"a body of PostgreSQL", "CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE 1 WHEN 1 THEN 2 END; SELECT 1; END; SELECT 1",
			"1: \"CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE 1 WHEN 1 THEN 2 END; SELECT 1; END\"\n1: \"SELECT 1\"\n"},
		{"a rule of PostgreSQL", "CREATE OR REPLACE RULE r AS ON INSERT TO a DO ALSO (INSERT INTO b VALUES (1); DELETE FROM c); SELECT 1",
			"1: \"CREATE OR REPLACE RULE r AS ON INSERT TO a DO ALSO (INSERT INTO b VALUES (1); DELETE FROM c)\"\n1: \"SELECT 1\"\n"},
		{"an empty body", "CREATE PROCEDURE f() BEGIN ATOMIC END; SELECT 1", "1: \"CREATE PROCEDURE f() BEGIN ATOMIC END\"\n1: \"SELECT 1\"\n"},
		{"comments that begin otherwise", "-- once\n--only\n-- on-call\nSELECT 1", "4: \"SELECT 1\"\n"},
		{"a comment in a statement", "CREATE TABLE a (\n  -- on hand\n  b int\n)", "1: \"CREATE TABLE a (\\n  -- on hand\\n  b int\\n)\"\n"},
		{"what looks like a head in a string", "SELECT '\n-- on A\n'", "1: \"SELECT '\\n-- on A\\n'\"\n"},
		{"comments within comments, which SQLite does not know", "SELECT /* a /* b */\n c */ 1", "1: \"SELECT  \\n 1\"\n"},
		{"settings that pg_dump writes, for the set-up", "SET client_encoding = 'UTF8'; set /* x */ session search_path TO a, b; SET TIME ZONE 'UTC';\nSELECT pg_catalog.set_config('search_path', '', false)",
			"1: \"SET LOCAL client_encoding = 'UTF8'\"\n1: \"set LOCAL /* x */  search_path TO a, b\"\n1: \"SET LOCAL TIME ZONE 'UTC'\"\n2: \"SELECT pg_catalog.set_config('search_path', '', true)\"\n"},
		{"a time zone", "\n-- timezone Europe/Berlin \r\nSELECT 1", "3: \"SELECT 1\"\n"},
		{"dataschemas", "-- on A\n-- dataschema urn:a  https://b.example/?c,d;e none \r\n-- dataschema: urn:f\nSELECT 1\n-- on B\n",
			`1 on <|A> 3 ["urn:a" "https://b.example/?c,d;e" "" "urn:f"]` + "\n4: \"SELECT 1\"\n5 on <|B>\n"},
		{"comments about dataschemas", "-- dataschema of the shop\nSELECT 1;\n-- on A\n  -- dataschema urn:indented\nSELECT 2;\n-- dataschema as of 2024\nSELECT\n-- dataschema\n3;\n-- dataschemas",
			"2: \"SELECT 1\"\n3 on <|A>\n5: \"SELECT 2\"\n7: \"SELECT\\n-- dataschema\\n3\"\n"},
		{"a comment about time zones", "-- timezone of the shop: Europe/Berlin\nSELECT 1", "2: \"SELECT 1\"\n"},
		{"what a function sets for itself", "CREATE FUNCTION f() RETURNS void LANGUAGE sql SET search_path = a AS ''; ALTER FUNCTION f() SET TimeZone = 'UTC'",
			"1: \"CREATE FUNCTION f() RETURNS void LANGUAGE sql SET search_path = a AS ''\"\n1: \"ALTER FUNCTION f() SET TimeZone = 'UTC'\"\n"},
		{"a table for the transaction", "CREATE TEMP TABLE a (b int) ON COMMIT DROP", "1: \"CREATE TEMP TABLE a (b int) ON COMMIT DROP\"\n"},
		{"settings of the transaction", "SET LOCAL work_mem = '1GB'; SET CONSTRAINTS ALL DEFERRED", "1: \"SET LOCAL work_mem = '1GB'\"\n1: \"SET CONSTRAINTS ALL DEFERRED\"\n"},
	} {
		p, err := Parse("a.sql", []byte(c.text+"\n-- on Last"))
		if err != nil {
			t.Errorf("%s: %v", c.rule, err)
			continue
		}
		if last := p.blocks[len(p.blocks)-1]; len(last.names) != 1 || last.names[0].event != "Last" {
			t.Errorf("%s: the last block is %+v", c.rule, last)
		}
		p.blocks = p.blocks[:len(p.blocks)-1]
		if got := outline(p); got != c.want {
			t.Errorf("%s:\n%s\nwant:\n%s", c.rule, got, c.want)
		}
	}
}

func TestWhatIsWrongIsSaidWithFileAndLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"-- on A\nSELECT 1,\n :nmae", "a.sql:3: there is no parameter :nmae, there are: :feed :position :id :source :type :subject :time :dataschema :data :data_bytes :live"},
		{"SELECT 1;\nSELECT :id", "a.sql:2: :id in the set-up"},
		{"-- on A\nSELECT $1", "a.sql:2: $1: parameters are named"},
		{"\n--on A", `a.sql:2: "--on A" looks like the head of a block`},
		{"-- On A", "a.sql:1: \"-- On A\" looks like the head"},
		{"-- ON A", "looks like the head"},
		{"-- on: A", "looks like the head"},
		{"--- on A", "looks like the head"},
		{"-- on", "looks like the head"},
		{"SELECT 1;\n  -- on A", "a.sql:2: the head of a block begins in the first column"},
		{"-- on A,", "the name of a type is missing"},
		{"-- on A, live", `live comes after the last type, without a comma; put a type of that name in double quotes: "live"`},
		{"-- on live", `put a type of that name in double quotes: "live"`},
		{"-- on live live", `"live"`},
		{"-- on *", `there is no wildcard for types; put a type of that name in double quotes: "*"`},
		{"-- on orders/*", `there is no wildcard for types`},
		{"-- on ,A", "the name of a type is missing"},
		{"-- on a/", "the name of a type is missing"},
		{"-- on A;", `";": after a type`},
		{"-- on A B", `"B": after a type comes a comma`},
		{"-- on A live, B", `"live, B": after a type`},
		{"-- on conflict we do nothing", "after a type"},
		{`-- on "A`, `a name in " has no end`},
		{`-- on ""`, `"" is no name`},
		{"-- on https://shop.example/Created", "in double quotes"},
		{"CREATE TABLE a (\n-- on hand\nb int)", "a.sql:2: a block begins within the statement of line 1"},
		{"CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1;\n-- on A", "a.sql:2: a block begins within the statement of line 1"},
		{"\nCREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1;", "a.sql:2: CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT …: its body, which BEGIN begins, has no END"},
		{"SELECT 1;\nSELECT 'a\n", "a.sql:2: a string in ' has no end"},
		{"SELECT 1\n; \x00", "a.sql:2: is not text"},
		{"\nSELECT '\xff'", "a.sql:2: is not text"},
		{"-- a\rb\nSELECT 1", "a.sql:1: a comment holds a carriage return"},
		{"SELECT 1;\n/* x */ commit;", "a.sql:2: commit: events and checkpoint commit together"},
		{"BEGIN", "commit together"},
		{"START TRANSACTION", "commit together"},
		{"END;", "commit together"},
		{"-- on A\nROLLBACK", "commit together"},
		{"ABORT", "commit together"},
		{"SAVEPOINT a", "commit together"},
		{"RELEASE a", "commit together"},
		{"PREPARE TRANSACTION 'a'", "commit together"},
		{"-- on A\nINSERT OR ROLLBACK INTO a VALUES (1)", "OR ROLLBACK: events and checkpoint commit together"},
		{"CREATE TABLE a (b UNIQUE ON CONFLICT ROLLBACK)", "CONFLICT ROLLBACK"},
		{"CREATE TRIGGER t BEFORE INSERT ON a BEGIN SELECT RAISE(ROLLBACK, 'x'); END", "RAISE ROLLBACK"},
		{"-- on A\nSET search_path = a", "a.sql:2: SET search_path = a: would outlast the transaction"},
		{"-- on A\nSET SESSION work_mem = '1GB'", "would outlast the transaction"},
		{"-- on A\nSET LOCAL search_path = a", "search_path lasts until the end of the transaction, which holds other events"},
		{"-- on A\nSET LOCAL \"TimeZone\" = 'Asia/Tokyo'", "timezone lasts until"},
		{"-- on A\nSET LOCAL TIME ZONE 'Asia/Tokyo'", "timezone lasts until"},
		{"-- on A\nSELECT\n set_config('datestyle', 'German', true)", "a.sql:2: SELECT set_config('datestyle', 'German', true): datestyle lasts until"},
		{"-- on A\nSELECT pg_catalog.set_config('a.b', :id, false)", "set_config: its third argument must be true"},
		{"-- on A\nSELECT \"set_config\"('a.b', coalesce(:id, ''), 1 = 1)", "set_config: its third argument must be true"},
		{"\nSELECT set_config('a.b', 'c', NOT true)", "a.sql:2: SELECT set_config('a.b', 'c', NOT true): set_config: its third"},
		{"SET client_encoding = 'LATIN1'", "client_encoding: the file and the events are UTF-8"},
		{"SELECT set_config('client_encoding', 'LATIN1', true)", "client_encoding: the file"},
		{"SET NAMES 'LATIN1'", "client_encoding: the file"},
		{"SET ROLE a", "is about the session"},
		{"SET SESSION AUTHORIZATION a", "is about the session"},
		{"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "is about the session"},
		{"SET TRANSACTION READ ONLY", "is about the session"},
		{"ALTER ROLE a SET search_path = b", "takes effect in later sessions only"},
		{"ALTER DATABASE a RESET ALL", "takes effect in later sessions only"},
		{"ALTER SYSTEM SET work_mem = '1GB'", "takes effect in later sessions only"},
		{"CREATE TEMP TABLE a (b int)", "what is temporary goes with the connection"},
		{"CREATE OR REPLACE TEMPORARY VIEW a AS SELECT 1", "what is temporary goes with the connection"},
		{"-- on A\n-- dataschema", "a.sql:2: a line -- dataschema names one URI or several"},
		{"-- on A\n-- dataschema a/b.json", `a.sql:2: "a/b.json" is no URI`},
		{"-- on A\n-- dataschema urn:a, urn:b", `a.sql:2: "urn:a," is no URI`},
		{"SELECT 1;\n-- dataschema urn:a\n-- on A", "a.sql:2: a line -- dataschema comes right after the line -- on TYPE"},
		{"-- on A\nSELECT 1;\n-- dataschema urn:a", "a.sql:3: a line -- dataschema comes right after the line -- on TYPE"},
		{"\\restrict x\nSELECT 1", `a.sql:1: \restrict x SELECT 1: is a command of psql`},
		{"LISTEN a", "would outlast the transaction"},
		{"SELECT 1;\n-- timezone Europe/Berlin", "a.sql:2: the time zone may be set once, before the first statement"},
		{"-- timezone UTC\n-- timezone UTC", "a.sql:2: the time zone may be set once"},
		{"PRAGMA foreign_keys = ON", "is about a connection"},
		{"DISCARD ALL", "would outlast the transaction"},
		{"COPY a FROM STDIN", "there is no input or output here"},
		{"", "a.sql has no block: a block begins with a line such as: -- on OrderCreated"},
		{"CREATE TABLE a (b int);\n-- when A\nSELECT 1", "a.sql has no block"},
	} {
		_, err := Parse("a.sql", []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
		}
	}
}

func TestTheBlocksOfAnEventAreThoseOfItsTypeAndFeedInTheOrderOfTheFile(t *testing.T) {
	t.Parallel()
	p, err := Parse("a.sql", []byte("-- on A, x/A\n-- on x/A\n-- on B\n-- on A live\n-- on y/A"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ feed, event, want string }{
		{"x", "A", "1 2 4"},
		{"y", "A", "1 4 5"},
		{"x", "B", "3"},
		{"x", "C", ""},
		{"x", "x/A", ""},
	} {
		var lines []string
		for _, b := range p.matching(eventKey{feed: c.feed, event: c.event}) {
			lines = append(lines, fmt.Sprint(b.line))
		}
		if got := strings.Join(lines, " "); got != c.want {
			t.Errorf("%s of %s: blocks of lines %s, want %s", c.event, c.feed, got, c.want)
		}
	}
	if got := strings.Join(p.Types(), " "); got != "A x/A B y/A" {
		t.Errorf("types %s", got)
	}
}

func TestTheHashIsThatOfTheWholeText(t *testing.T) {
	t.Parallel()
	p, err := Parse("a.sql", []byte("-- on A\n"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "3f00f332138a0969c47d028ac3de20798906b7bf7fe79548682cad9908b0cef6"
	if p.Hash() != want {
		t.Errorf("hash %s, want %s", p.Hash(), want)
	}
}

func TestAHeadStandsForItsTypeInItsFeedWhetherTheBlockIsForNewsOrNot(t *testing.T) {
	t.Parallel()
	p, err := Parse("dir/a.sql", []byte("-- on A\nSELECT 1;\n-- on x/A, \"B c\" live"))
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, h := range p.Heads() {
		fmt.Fprintf(&got, "%s %s %s: %t %t %t %t\n", h.Place, h.Name, h.Feed,
			h.Matches("x", "urn:1", "A"), h.Matches("y", "x", "A"), h.Matches("y", "urn:1", "A"), h.Matches("y", "urn:1", "B c"))
	}
	const want = "dir/a.sql:1 A : true true true false\ndir/a.sql:3 x/A x: true true false false\ndir/a.sql:3 B c : false false false true\n"
	if got.String() != want {
		t.Errorf("%swant\n%s", &got, want)
	}
}
