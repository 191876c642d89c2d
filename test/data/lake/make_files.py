#!/usr/bin/env python3
"""Makes the files of the ingest tests, in the directory of this script.  Run once; the files are in the repository."""
import gzip
import os

os.chdir(os.path.dirname(os.path.abspath(__file__)))


def put(name, content):
    os.makedirs(os.path.dirname(name), exist_ok=True)
    with open(name, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode("utf-8"))


def packed(text):
    return gzip.compress(text if isinstance(text, bytes) else text.encode("utf-8"), mtime=0)


# Three months of orders: gzip, CRLF, and columns in another order with one more.
jan = "order_id,customer,amount,ordered_on\n1,ann,10.50,2024-01-03\n2,bob,7.25,2024-01-04\n3,cid,100,2024-01-31\n"
feb = "order_id,customer,amount,ordered_on\r\n4,ann,1.00,2024-02-01\r\n5,dan,,2024-02-29\r\n"
mar = "ordered_on,order_id,channel,customer,amount\n2024-03-01,6,web,eve,3.5\n2024-03-02,7,shop,fay,4.5\n"
put("orders/2024-01.csv.gz", packed(jan))
put("orders/2024-02.csv", feb)
put("orders/2024-03.csv", mar)
put("orders/notes.txt", "not an order\n")

# CSV: what RFC 4180 allows, and what it does not.
put("csv/rfc4180.csv",
    'id,text,"quoted, name"\r\n'
    '1,plain,a\r\n'
    '2,"comma, inside","b"\r\n'
    '3,"quote "" inside",c\r\n'
    '4,"line\r\nend inside",d\r\n'
    '5,"",e\r\n'
    '6,,f\r\n'
    '7,5" pipe,g\r\n'
    '8,"last has no line end",h')
put("csv/dirty.csv",
    b'id,name,amount,day,ok\n'
    b'1,Alice,10.50,2013-01-01,true\n'
    b'2,Bob,-3.25,2013-01-02,false\n'
    b'x3,Carl,1.0,2013-02-30,maybe\n'
    b'4,too,many,fields,here,extra\n'
    b'5,few\n'
    b'6,"broken" quote,1,2013-01-01,true\n'
    b'\n'
    b'007,Zip,1,2013-01-01,true\n'
    b'9,"",NA,,\n'
    b'10,"unterminated,1,2013-01-01,true\n'
    b'11,after,1e3,2013-01-01,true\n'
    b'12,bad \xff\x00 \\ bytes,1,2013-01-01,true\n'
    b'13,crlf,1,2013-01-01,true\r\n'
    b'14,cr,1,2013-01-01,true\r'
    b'9223372036854775808,big,1,2013-01-01 00:00:00,true\n'
    b'16,time,1,2013-01-01 05:00,t\n')
put("csv/headers.csv", ' id ,,name,name,name_2,_row,ctid,"a ""b""",' + "x" * 70 + "\n1,2,3,4,5,6,7,8,9\n")
put("csv/noheader.csv", "1,a,2.5\n2,b,3.5\n")
put("csv/semicolon.csv", "id;price;note\n1;'1;5';it's\n2;'a\\'b';N/A\n3;-;'-'\n")
put("csv/bom.csv", b"\xef\xbb\xbfid,name\n1,bom\n")
put("csv/bom_latin.csv", b"\xef\xbb\xbfid,name\n")
put("csv/latin1.csv", "id,name\n1,J\u00fcrgen\n2,\u00e9t\u00e9\n".encode("latin-1"))
put("csv/win1252.csv", b"id,price\n1,\x80 5\n2,hole \x81 here\n")
put("csv/sjis.csv", "id,name\n1,\u8868\u793a\n2,\uff76\uff85\n".encode("shift_jis"))
put("csv/utf16.csv", "id,name\n1,a\n".encode("utf-16"))
put("csv/empty.csv", "")
put("csv/blank.csv", "\n\n")
put("csv/header_only.csv", "id,name\n")
put("csv/one_column.csv", "name\na\n\nb\n\"\"\n")
put("csv/bad_header.csv", 'id,"na"me\n1,2\n')
put("csv/bad_header_bytes.csv", b"id,na\xffme\n1,2\n")
put("csv/wide.csv", ",".join("c%d" % i for i in range(1700)) + "\n")
put("csv/types.csv",
    "whole,big,decimal,real,wide_real,special,truth,letters,day,moment,zoned,mixed_time,zip,phone,gender,nothing,label,nanos\n"
    "1,9223372036854775807,1.50,1.5e3,1.5,NaN,true,t,2020-02-29,2020-01-01 10:00,2020-01-01T10:00:00Z,2020-01-01 10:00:00,01234,+4930123,f,,x,2020-01-01 10:00:00.000000000\n"
    "-2,99999999999999999999,2,0.25,1.2345678901234567890e5,-Infinity,FALSE,f,2021-01-01,2021-01-01T11:00:00.123456,2020-01-01 10:00:00+05:30,2020-01-01 10:00:00Z,99999,+331234,f,,5,2020-01-01 10:00:00.123456000\n")
put("csv/long_row.csv", "id,text\n1,short\n2,\"" + "x" * 3000 + "\"\n3,short\n")
put("csv/open_quote.csv", 'id,text\n1,a\n2,"never closed\n' + "".join("%d,%s\n" % (i, "y" * 40) for i in range(3, 60)))

# gzip: by content, several members, damaged.
lines = "id,name\n" + "".join("%d,name %d\n" % (i, i) for i in range(1, 201))
put("gzip/no_suffix.csv", packed(lines))
put("gzip/two_members.csv.gz", packed("id,name\n1,a\n2,") + packed("b\n3,c\n"))
put("gzip/padded.csv.gz", packed("id,name\n1,a\n") + b"\0" * 100)
put("gzip/empty_member.csv.gz", packed("") + packed("id,name\n1,a\n"))
put("gzip/bad/truncated.csv.gz", packed(lines)[:-20])
put("gzip/bad/corrupt.csv.gz", packed(lines)[:60] + b"\xff\xff\xff\xff" + packed(lines)[64:])
put("gzip/bad/checksum.csv.gz", packed(lines)[:-8] + b"\0\0\0\0" + packed(lines)[-4:])
put("gzip/bad/garbage.csv.gz", packed(lines) + b"something else")
put("gzip/plain.csv.gz", "id,name\n1,not compressed\n")

# JSON lines.
put("json/events.jsonl",
    '{"id": 1, "kind": "open", "at": "2024-05-01T10:00:00Z", "value": 0.1, "ok": true, "tags": ["a", "b"], "mix": 1}\n'
    '{"id": 2, "kind": "cl\\u00f6se \\ud83d\\ude00 \\"q\\" \\\\ \\/ \\n", "at": null, "value": 12345678901234567890.123456789, "ok": false, "tags": {"k": {"n": [1, 2.50]}}, "mix": "one"}\r\n'
    '\n'
    '  {"kind":"short","id":3}  \n'
    '{"id": 4, "kind": "", "value": -1E-2, "mix": [true], "extra": "only here"}')
put("json/dirty.jsonl",
    b'{"id": 1, "name": "first", "n": 1.5}\n'
    b'{"id": 2, "name": "nul \\u0000", "n": "12"}\n'
    b'{"id": 3, "id": 4}\n'
    b'[1, 2]\n'
    b'not json\n'
    b'{"id": 5, "name": "open\n'
    b'{"id": 6, "name": 7, "n": true}\n'
    b'{"id": 6.5, "name": {"o": 1}, "n": [1]}\n'
    b'{"id": 99999999999999999999, "name": "x"}\n'
    b'{"id": 7, "name": "half \\ud800"}\n'
    b'{"id": 8, "name": "bad \xff byte"}\n'
    b'{"id": 9, "late": {"a": 1}, "": 2, "_row": 3, "late2": null}\n'
    b'{"id": 10,}\n'
    b'{"id": 11} trailing\n'
    b'{"id": 012}\n'
    b'{"id": 13, "name": "tab\there"}\n'
    b'{"id": 14, "name": "\\x"}\n'
    b'{"id": 15, "name": ' + b'[' * 300 + b']' * 300 + b'}\n'
    b'"just a string"\n'
    b'{"id": 16, "n": 1e400}\n')
put("json/packed.jsonl.gz", packed('{"id": 1}\n{"id": 2}\n'))

# Directories to match patterns in.
for name in ("tree/1.csv", "tree/a/2.csv", "tree/a/b/3.csv", "tree/a/b/c/4.csv", "tree/a/.hidden.csv", "tree/.hidden/5.csv",
             "tree/[x].csv", "tree/\u00e9.csv", "tree/with space.csv", "tree/a/6.CSV"):
    put(name, "name\n%s\n" % name)
