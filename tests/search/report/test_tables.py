"""Rows of CSV files, and the format of figures."""

from search.report.chart import Chart, ReportSection, Series, Table
from search.report.contents import read
from search.report.retraining import retraining_section
from search.report.tables import combine_tables, section_rows
from tests.search.report.made import csv_rows


def test_tables_beside_charts_have_a_separate_csv(written, demo):
    (table,) = retraining_section([read(demo.folder)]).tables
    rows = csv_rows(written / "report" / "retraining_table.csv")
    assert [row["architecture"] for row in rows] == [row[1] for row in table.rows]
    assert [row["retrained EPE, px"] for row in rows] == ["1.0", "2.0", "", ""]
    assert 'href="report/retraining_table.csv"' in (written / "report.html").read_text()
    assert not (written / "report" / "repeat_table.csv").exists(), "its CSV contains the tables"


def test_rows_of_several_tables_name_their_table():
    tables = (Table("a", ("x", "y"), ((1, 2),)), Table("b", ("y", "z"), ((3, 4),)))
    rows = combine_tables(ReportSection("key", "", tables=tables))
    assert rows == [{"table": "a", "x": 1, "y": 2}, {"table": "b", "y": 3, "z": 4}]


def test_rows_are_those_of_data_charts_tables_or_sentences():
    table, data = Table("", ("a",), ((1,),)), Table("", ("b",), ((2,),))
    chart = Chart("c", "x", "y", (Series("s", [0], [1.0], "run 0"),))
    assert section_rows(ReportSection("key", "", ("Text.",), (chart,), (table,), data=data)) == [{"b": 2}]
    (row,) = section_rows(ReportSection("key", "", ("Text.",), (chart,), (table,)))
    assert (row["chart"], row["series"], row["x"], row["y"], row["label"], row["low"]) == ("c", "s", 0, 1.0, "", "")
    assert section_rows(ReportSection("key", "", ("Text.",), tables=(table,))) == [{"a": 1}]
    assert section_rows(ReportSection("key", "", ("Text.",))) == [{"what": "Text."}]
