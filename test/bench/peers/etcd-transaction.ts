import { BinaryWriter } from "@bufbuild/protobuf/wire";

/** One call of etcd, and the two things that it writes. */
export type EtcdTransaction = {
  readonly stateKey: string;
  readonly state: Uint8Array;
  readonly eventKey: string;
  readonly event: Uint8Array;
};

const modRevisionTarget = 2;
const greater = 1;

/**
 * An encoded `etcdserverpb.TxnRequest`: if the state's mod revision is above zero, put the state and the event. A load generator repeats it, so
 * the comparison has to hold each time; etcd does the same work for it as for an equality.
 */
export function etcdTransactionBody({ stateKey, state, eventKey, event }: EtcdTransaction): Uint8Array {
  const compare = new BinaryWriter().uint32(0x08).int32(greater).uint32(0x10).int32(modRevisionTarget);
  compare.uint32(0x1a).string(stateKey).uint32(0x30).int64(0);
  return new BinaryWriter()
    .uint32(0x0a)
    .bytes(compare.finish())
    .uint32(0x12)
    .bytes(putOperation(stateKey, state))
    .uint32(0x12)
    .bytes(putOperation(eventKey, event))
    .finish();
}

/** `RequestOp { request_put: PutRequest { key, value } }` */
function putOperation(key: string, value: Uint8Array): Uint8Array {
  const put = new BinaryWriter().uint32(0x0a).string(key).uint32(0x12).bytes(value).finish();
  return new BinaryWriter().uint32(0x12).bytes(put).finish();
}
