"""CSV files, and the format of figures."""

import csv
import io

from search.report.chart import Section, Table, format_count
from search.report.contents import read
from search.report.retraining import retraining_section
from search.report.tables import section_csv, tables_csv
from tests.search.report.made import csv_rows


def test_tables_beside_charts_have_a_separate_csv(written, demo):
    (table,) = retraining_section([read(demo.folder)]).tables
    rows = csv_rows(written / "report" / "retraining_table.csv")
    assert [row["architecture"] for row in rows] == [row[1] for row in table.rows]
    assert [row["retrained EPE, px"] for row in rows] == ["1.0", "2.0", "", ""]
    assert 'href="report/retraining_table.csv"' in (written / "report.html").read_text()
    assert not (written / "report" / "repeat_table.csv").exists(), "its CSV contains the tables"


def test_tables_with_different_columns_share_a_csv():
    tables = (Table("a", ("x", "y"), ((1, 2),)), Table("b", ("y", "z"), ((3, 4),)))
    assert tables_csv(Section("key", "", tables=tables)) == "table,x,y,z\na,1,2,\nb,,3,4\n"


def test_numbers_have_nouns():
    assert [format_count(1, "epoch"), format_count(0, "epoch"), format_count(1200, "child", "children")] == [
        "1 epoch", "0 epochs", "1,200 children",
    ]  # fmt: skip


def test_csv_quotes_special_characters():
    text = section_csv(Section("x", "", data=Table("", ("a",), (('1,"2"\n3',),))))
    assert list(csv.reader(io.StringIO(text))) == [["a"], ['1,"2"\n3']]
