;; CRC-32 of the input (the polynomial of zip and gzip), bit by bit, as eight hexadecimal digits.
(module
  (import "sluice" "input_read" (func $input_read (param i32 i32 i32 i32) (result i32)))
  (import "sluice" "ret" (func $ret (param i32 i32 i32)))
  (memory (export "memory") 2)
  (data (i32.const 16) "0123456789abcdef")

  ;; The second page takes the input, a page at a time; the digits are written at 0.
  (global $page i32 (i32.const 65536))

  (func (export "run")
    (local $crc i32) (local $offset i32) (local $count i32)
    (local.set $crc (i32.const -1))
    (block $done
      (loop $pages
        (local.set $count
          (call $input_read (i32.const 0) (global.get $page) (local.get $offset) (global.get $page)))
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $crc (call $update (local.get $crc) (local.get $count)))
        (local.set $offset (i32.add (local.get $offset) (local.get $count)))
        (br $pages)))
    (call $write_hex (i32.xor (local.get $crc) (i32.const -1)))
    (call $ret (i32.const 0) (i32.const 8) (i32.const 2)))

  (func $update (param $crc i32) (param $count i32) (result i32)
    (local $at i32) (local $end i32) (local $bit i32)
    (local.set $at (global.get $page))
    (local.set $end (i32.add (global.get $page) (local.get $count)))
    (loop $bytes
      (local.set $crc (i32.xor (local.get $crc) (i32.load8_u (local.get $at))))
      (local.set $bit (i32.const 8))
      (loop $bits
        (local.set $crc
          (i32.xor
            (i32.shr_u (local.get $crc) (i32.const 1))
            (i32.and (i32.const 0xedb88320) (i32.sub (i32.const 0) (i32.and (local.get $crc) (i32.const 1))))))
        (br_if $bits (local.tee $bit (i32.sub (local.get $bit) (i32.const 1)))))
      (br_if $bytes
        (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (local.get $end))))
    (local.get $crc))

  (func $write_hex (param $number i32)
    (local $at i32)
    (local.set $at (i32.const 8))
    (loop $digits
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at)
        (i32.load8_u (i32.add (i32.const 16) (i32.and (local.get $number) (i32.const 15)))))
      (local.set $number (i32.shr_u (local.get $number) (i32.const 4)))
      (br_if $digits (local.get $at)))))
