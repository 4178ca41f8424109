#!/usr/bin/env python3
"""Reads Parquet files with pyarrow or DuckDB and prints their columns as JSON, values presented as asked:

plain: as JSON has them · text: as a string · hex: bytes · float4, float8: the bits · days, micros, micros_of_day: since 1970 or midnight ·
interval: the 16 bytes that PostgreSQL sends · uuid: its text · nested: lists and structs as JSON.
"""
import decimal
import json
import struct
import sys
import uuid


def interval(value):
    return "\\x" + struct.pack(">qii", value["microseconds"], value["days"], value["months"]).hex()


def present(value, form):
    if value is None:
        return None
    if form == "text":
        return format(value, "f") if isinstance(value, decimal.Decimal) else str(value)
    if form == "hex":
        return bytes(value).hex()
    if form == "float4":
        return struct.pack(">f", value).hex()
    if form == "float8":
        return struct.pack(">d", value).hex()
    if form == "interval":
        return interval(value)
    if form == "uuid":
        return str(uuid.UUID(bytes=value) if isinstance(value, bytes) else value)
    return value


def with_pyarrow(files, forms):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.concat_tables([pq.ParquetFile(f, page_checksum_verification=True).read() for f in files])
    order = sorted(range(table.num_rows), key=table.column("id").to_pylist().__getitem__)
    out = {}
    for name, form in forms.items():
        column = table.column(name)
        if form in ("days", "micros", "micros_of_day"):
            column = pa.chunked_array([chunk.view(pa.int32() if form == "days" else pa.int64()) for chunk in column.chunks])
        elif isinstance(column.type, pa.ExtensionType):
            column = pa.chunked_array([chunk.storage for chunk in column.chunks])
        values = column.to_pylist()
        out[name] = [present(values[i], form) for i in order]
    return out


def with_duckdb(files, forms):
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET autoinstall_known_extensions = false; SET autoload_known_extensions = false; SET TimeZone = 'UTC'")
    names = ", ".join("'" + f.replace("'", "''") + "'" for f in files)
    expressions = {"days": "{v} - DATE '1970-01-01'", "micros": "epoch_us({v})", "micros_of_day": "epoch_us({v})", "text": "{v}::VARCHAR", "uuid": "{v}::VARCHAR"}
    out = {}
    for name, form in forms.items():
        expression = expressions.get(form, "{v}").format(v='"' + name + '"')
        rows = connection.execute(f"SELECT {expression} FROM read_parquet([{names}]) ORDER BY id").fetchall()
        out[name] = [present(row[0], form) for row in rows]
    return out


def main():
    request = json.load(sys.stdin)
    read = {"pyarrow": with_pyarrow, "duckdb": with_duckdb}[sys.argv[1]]
    json.dump(read(request["files"], request["forms"]), sys.stdout)


if __name__ == "__main__":
    main()
