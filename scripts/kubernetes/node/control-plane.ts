// The command lines of a node's control plane: etcd, API server, controller manager, scheduler. Pure: the files that they read are in the folder.
import { join } from 'node:path'
import type { KubernetesBinaries } from '../build.ts'
import type { Network } from './network.ts'

/** What the programs of one node need to know. */
export interface Place {
  /** Certificates, kubeconfig files, configurations and data. */
  readonly folder: string
  readonly nodeName: string
  readonly network: Network
  readonly binaries: KubernetesBinaries
}

export type Command = readonly string[]

export const API_PORT = 6443

/** The API server as the node and this machine reach it. */
export function apiUrl({ address }: Network): string {
  return `https://${address}:${API_PORT}`
}

export function etcdCommand({ binaries, folder }: Place): Command {
  const [client, peer] = ['http://127.0.0.1:2379', 'http://127.0.0.1:2380']
  return withFlags(binaries.etcd, {
    'data-dir': join(folder, 'etcd'),
    'unsafe-no-fsync': true,
    'listen-client-urls': client,
    'advertise-client-urls': client,
    'listen-peer-urls': peer,
    'initial-advertise-peer-urls': peer,
    'initial-cluster': `default=${peer}`,
  })
}

export function apiserverCommand({ binaries, folder, network }: Place): Command {
  const file = (name: string): string => join(folder, name)
  return withFlags(binaries.apiserver, {
    'etcd-servers': 'http://127.0.0.1:2379',
    'bind-address': '0.0.0.0',
    'advertise-address': network.address,
    'secure-port': API_PORT,
    'client-ca-file': file('ca.crt'),
    'tls-cert-file': file('apiserver.crt'),
    'tls-private-key-file': file('apiserver.key'),
    'kubelet-client-certificate': file('admin.crt'),
    'kubelet-client-key': file('admin.key'),
    // Else logs and exec would look the node's name up in DNS.
    'kubelet-preferred-address-types': 'InternalIP',
    'service-account-issuer': 'https://kubernetes.default.svc',
    'service-account-key-file': file('accounts.key'),
    'service-account-signing-key-file': file('accounts.key'),
    'service-cluster-ip-range': network.services,
    'authorization-mode': 'Node,RBAC',
    'enable-admission-plugins': 'NodeRestriction',
    'allow-privileged': true,
  })
}

export function managerCommand({ binaries, folder, network }: Place): Command {
  const file = (name: string): string => join(folder, name)
  return withFlags(binaries.controllerManager, {
    kubeconfig: file('manager.kubeconfig'),
    'root-ca-file': file('ca.crt'),
    'service-account-private-key-file': file('accounts.key'),
    'service-cluster-ip-range': network.services,
    'use-service-account-credentials': true,
    'leader-elect': false,
    'secure-port': 0,
  })
}

export function schedulerCommand({ binaries, folder }: Place): Command {
  return withFlags(binaries.scheduler, {
    kubeconfig: join(folder, 'scheduler.kubeconfig'),
    'leader-elect': false,
    'secure-port': 0,
  })
}

function withFlags(program: string, flags: Readonly<Record<string, string | number | boolean>>): Command {
  return [program, ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`)]
}
