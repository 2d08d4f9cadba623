"""Writes the files beside it, byte for byte as spreadsheets save them. The people are invented.

Run it as `python3 make.py` after a change here, and commit what it wrote.
"""

import pathlib
import zipfile

HERE = pathlib.Path(__file__).parent
ROWS = [
    ["Name", "E-Mail", "Adaptor", "Team Name"],
    ["Zoë Example", "zoe@customer.example", "genesys-cloud", "Billing, Returns"],
    ["Jürgen Example", "juergen@customer.example", "avaya", "Billing"],
]


def text(separator, end="\r\n", rows=ROWS):
    def cell(value):
        quoted = any(mark in value for mark in (separator, '"', "\n"))
        return '"' + value.replace('"', '""') + '"' if quoted else value

    return "".join(separator.join(map(cell, row)) + end for row in rows)


def write(name, data):
    (HERE / name).write_bytes(data)


# Excel in most of Europe: "CSV UTF-8", with a byte order mark and semicolons.
write("semicolon.csv", b"\xef\xbb\xbf" + text(";").encode())
# "Text (Tab delimited)" and "Unicode Text", which is UTF-16.
write("tab.txt", text("\t").encode())
write("unicode-text.txt", b"\xff\xfe" + text("\t").encode("utf-16-le"))
# Written by programs that want Excel to find the separator.
write("sep.csv", ("sep=;\r\n" + text(";")).encode())
# "CSV UTF-8 (Comma delimited)".
write("utf8-bom.csv", b"\xef\xbb\xbf" + text(",").encode())
# "CSV (Comma delimited)" in western Europe.
write("windows-1252.csv", text(";").encode("windows-1252"))
# Deleted rows stay as separators; "CSV (Macintosh)" ends lines with a carriage return alone.
empty = [ROWS[0], [""] * 4, [""] * 4, ROWS[1], [""] * 4, ROWS[2][:2] + ["nortel", ""]]
write("empty-rows.csv", text(",", rows=empty).encode())
write("macintosh.csv", text(",", end="\r").encode())
# A quote that never ends.
write("open-quote.csv", b'Name,E-Mail\r\n"Zoe Example,zoe@customer.example\r\nBo,bo@customer.example\r\n')
# Genesys Cloud, Admin > People > Export.
people = [
    ["Name", "Email", "Title", "Department", "Manager", "Division"],
    ["Zoe Example", "zoe@customer.example", "Agent", "Billing", "Grace Example", "Home"],
    ["Ben Example", "ben@customer.example", "Agent", "Returns", "Grace Example", "Home"],
]
write("genesys-people.csv", text(",", rows=people).encode())

SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def workbook():
    rows = "".join(
        f'<row r="{number}">'
        + "".join(f'<c t="inlineStr"><is><t>{value}</t></is></c>' for value in row)
        + "</row>"
        for number, row in enumerate(ROWS, 1)
    )
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    yield "[Content_Types].xml", (
        f'<Types xmlns="{PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType='
        '"application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/>'
        "</Types>"
    )
    yield "_rels/.rels", (
        f'<Relationships xmlns="{PACKAGE}/relationships">'
        f'<Relationship Id="r1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
        "</Relationships>"
    )
    yield "xl/workbook.xml", (
        f'<workbook xmlns="{SHEET}" xmlns:r="{OFFICE}">'
        '<sheets><sheet name="Agents" sheetId="1" r:id="r1"/></sheets></workbook>'
    )
    yield "xl/_rels/workbook.xml.rels", (
        f'<Relationships xmlns="{PACKAGE}/relationships">'
        f'<Relationship Id="r1" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
        "</Relationships>"
    )
    yield "xl/worksheets/sheet1.xml", (
        f'<worksheet xmlns="{SHEET}"><sheetData>{rows}</sheetData></worksheet>'
    )


with zipfile.ZipFile(HERE / "workbook.xlsx", "w", zipfile.ZIP_DEFLATED) as book:
    for name, part in workbook():
        entry = zipfile.ZipInfo(name, date_time=(2026, 1, 1, 0, 0, 0))
        entry.compress_type = zipfile.ZIP_DEFLATED
        book.writestr(entry, '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>' + part)
