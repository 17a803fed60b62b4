{{- define "speechmq.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* 50 characters, so that -emulator and -dashboards fit into what a name may have. */}}
{{- define "speechmq.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "speechmq.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "speechmq.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "speechmq.selector" -}}
app.kubernetes.io/name: {{ include "speechmq.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "speechmq.labels" -}}
{{ include "speechmq.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "speechmq.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "speechmq.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "speechmq.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "speechmq.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "speechmq.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "speechmq.brokerPort" -}}
{{- if .Values.broker.port -}}
{{ .Values.broker.port }}
{{- else -}}
{{ ternary 5671 5672 .Values.broker.tls }}
{{- end -}}
{{- end -}}

{{- define "speechmq.upstreamUrl" -}}
{{- if .Values.emulator.enabled -}}
ws://{{ include "speechmq.fullname" . }}-emulator:9000/v2
{{- else -}}
{{ .Values.upstream.url }}
{{- end -}}
{{- end -}}

{{/* The port of a URL, or of a region by its name. */}}
{{- define "speechmq.portOf" -}}
{{- $url := urlParse . -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- $port | default (ternary "80" "443" (has $url.scheme (list "ws" "http"))) -}}
{{- end -}}

{{/* Every place outside that a worker with these settings connects to, but RabbitMQ and OTLP. */}}
{{- define "speechmq.upstreamPorts" -}}
{{- $urls := list (include "speechmq.upstreamUrl" .) -}}
{{- if not .Values.emulator.enabled -}}
{{- $urls = concat $urls .Values.upstream.fallbackUrls -}}
{{- range $name, $value := .Values.worker.settings -}}
{{- if regexMatch "^UPSTREAM__(CREDENTIALS__.+__)?(URL|MANAGEMENT_URL)$" $name -}}
{{- $urls = append $urls $value -}}
{{- else if regexMatch "^UPSTREAM__(CREDENTIALS__.+__)?(FALLBACK|REDIRECT)_URLS$" $name -}}
{{- $urls = concat $urls ($value | fromJsonArray) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $ports := list -}}
{{- range $urls -}}
{{- $ports = append $ports (include "speechmq.portOf" .) -}}
{{- end -}}
{{- $ports | uniq | join "," -}}
{{- end -}}

{{/* The settings of a worker, shared by the workers and the test that examines them. */}}
{{- define "speechmq.env" -}}
{{- $broker := .Values.broker -}}
{{- if $broker.url.secretName }}
- name: SPEECHMQ_BROKER__URL
  valueFrom:
    secretKeyRef:
      name: {{ $broker.url.secretName }}
      key: {{ $broker.url.secretKey }}
{{- else }}
{{- if or (not $broker.host) (not $broker.credentials.secretName) }}
{{- fail "Say where RabbitMQ is: broker.url.secretName, or broker.host and broker.credentials.secretName" }}
{{- end }}
- name: BROKER_USERNAME
  valueFrom:
    secretKeyRef:
      name: {{ $broker.credentials.secretName }}
      key: {{ $broker.credentials.usernameKey }}
- name: BROKER_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ $broker.credentials.secretName }}
      key: {{ $broker.credentials.passwordKey }}
- name: SPEECHMQ_BROKER__URL
  {{- $urls := list }}
  {{- range splitList "," $broker.host }}
  {{- $urls = append $urls (printf "%s://$(BROKER_USERNAME):$(BROKER_PASSWORD)@%s:%s/%s%s" (ternary "amqps" "amqp" $broker.tls) (trim .) (include "speechmq.brokerPort" $) ($broker.vhost | urlquery) (ternary "?cafile=/etc/speechmq/broker-ca/ca.crt" "" (and $broker.tls (ne $broker.ca.secretName "")))) }}
  {{- end }}
  value: {{ join "," $urls | quote }}
{{- end }}
- name: SPEECHMQ_BROKER__NAMESPACE
  value: {{ $broker.namespace | quote }}
- name: SPEECHMQ_BROKER__QUEUE_TYPE
  value: {{ $broker.queueType | quote }}
- name: SPEECHMQ_UPSTREAM__URL
  value: {{ include "speechmq.upstreamUrl" . | quote }}
- name: SPEECHMQ_UPSTREAM__API_KEY
{{- if .Values.emulator.enabled }}
  value: dev
{{- else }}
  valueFrom:
    secretKeyRef:
      name: {{ required "Name the existing secret with Speechmatics' key: upstream.apiKey.secretName" .Values.upstream.apiKey.secretName }}
      key: {{ .Values.upstream.apiKey.secretKey }}
{{- end }}
{{- if and .Values.upstream.fallbackUrls (not .Values.emulator.enabled) }}
- name: SPEECHMQ_UPSTREAM__FALLBACK_URLS
  value: {{ .Values.upstream.fallbackUrls | toJson | quote }}
{{- end }}
{{- if .Values.upstream.ca.secretName }}
- name: SPEECHMQ_UPSTREAM__CA_FILE
  value: /etc/speechmq/upstream-ca/ca.crt
{{- end }}
- name: SPEECHMQ_WORKER__CAPACITY
  value: {{ .Values.worker.capacity | quote }}
- name: SPEECHMQ_WORKER__SHUTDOWN_GRACE
  value: {{ .Values.worker.shutdownGrace | quote }}
- name: SPEECHMQ_HEALTH__ADDRESS
  value: {{ printf "%s:%v" .Values.health.host .Values.health.port | quote }}
- name: SPEECHMQ_LOG__FORMAT
  value: {{ .Values.log.format | quote }}
- name: SPEECHMQ_LOG__LEVEL
  value: {{ .Values.log.level | quote }}
{{- with .Values.telemetry.otlpEndpoint }}
- name: SPEECHMQ_TELEMETRY__OTLP_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- range $name, $value := .Values.worker.settings }}
- name: SPEECHMQ_{{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "speechmq.volumes" -}}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
- name: tmp
  emptyDir:
    medium: Memory
    sizeLimit: 64Mi
{{- with .Values.broker.ca }}
{{- if .secretName }}
- name: broker-ca
  secret:
    secretName: {{ .secretName }}
    items: [{key: {{ .secretKey }}, path: ca.crt}]
{{- end }}
{{- end }}
{{- with .Values.upstream.ca }}
{{- if .secretName }}
- name: upstream-ca
  secret:
    secretName: {{ .secretName }}
    items: [{key: {{ .secretKey }}, path: ca.crt}]
{{- end }}
{{- end }}
{{- end -}}

{{- define "speechmq.volumeMounts" -}}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
- name: tmp
  mountPath: /tmp
{{- if .Values.broker.ca.secretName }}
- name: broker-ca
  mountPath: /etc/speechmq/broker-ca
  readOnly: true
{{- end }}
{{- if .Values.upstream.ca.secretName }}
- name: upstream-ca
  mountPath: /etc/speechmq/upstream-ca
  readOnly: true
{{- end }}
{{- end -}}
