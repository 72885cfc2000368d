{{- define "penstock.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* What selects pods never changes: (dict "root" $ "part" "gate") */}}
{{- define "penstock.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "penstock.labels" -}}
{{ include "penstock.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "penstock.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}{{ else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* A pod's own part: (dict "root" $ "part" "gate" "values" .Values.gate) */}}
{{- define "penstock.pod" -}}
# The variables of other services begin with PENSTOCK_ where a service is called penstock, and would be taken for settings.
enableServiceLinks: false
automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{ include "penstock.selector" . | nindent 8 }}
{{- end }}

{{/* What every container of the program has. */}}
{{- define "penstock.container" -}}
image: {{ include "penstock.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
resources: {{ toYaml .values.resources | nindent 2 }}
{{- end }}

{{- define "penstock.settings" -}}
{{- if .Values.secret.keys.config }}
- name: PENSTOCK_CONFIG
  value: /run/secrets/penstock/{{ .Values.secret.keys.config }}
{{- end }}
{{- range $name, $value := .Values.settings }}
- name: PENSTOCK_{{ $name | upper | replace "." "_" }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end }}

{{/* Of a gate, in either profile. */}}
{{- define "penstock.gate" -}}
- name: gate
  args: [serve]
  {{- include "penstock.container" (dict "root" . "values" .Values.gate) | nindent 2 }}
  env:
    - name: PENSTOCK_GATE_LISTEN
      value: 0.0.0.0:8080
    - name: PENSTOCK_OPERATOR_LISTEN
      value: 0.0.0.0:8081
    - name: PENSTOCK_OPERATOR_HOSTS
      value: {{ $name := include "penstock.name" . }}{{ printf "%s-operator, %s-operator.%s, %s-operator.%s.svc" $name $name .Release.Namespace $name .Release.Namespace }}
    {{- with .Values.trustedProxies }}
    - name: PENSTOCK_GATE_TRUSTED_PROXIES
      value: {{ join ", " . | quote }}
    {{- end }}
    {{- with .Values.secret.keys.operatorToken }}
    - name: PENSTOCK_OPERATOR_TOKEN_FILE
      value: /run/secrets/penstock/{{ . }}
    {{- end }}
    {{- with .Values.secret.keys.jwtKey }}
    - name: PENSTOCK_IDENTITY_JWT_KEY_FILE
      value: /run/secrets/penstock/{{ . }}
    {{- end }}
    {{- include "penstock.settings" . | nindent 4 }}
  ports:
    - {name: public, containerPort: 8080}
    - {name: operator, containerPort: 8081}
  # It answers once it has its ledger, which it brings up to date first: half an hour, then it is tried again.
  startupProbe:
    httpGet: {path: /livez, port: public}
    periodSeconds: 5
    failureThreshold: 360
  livenessProbe:
    httpGet: {path: /livez, port: public}
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 6
  readinessProbe:
    httpGet: {path: /readyz, port: public}
    periodSeconds: 2
    timeoutSeconds: 2
    failureThreshold: 2
  lifecycle:
    # Until nobody is sent here any more; then SIGTERM answers what is in flight (gate.stop_timeout).
    preStop:
      exec: {command: [sleep, "5"]}
  volumeMounts:
    - {name: secrets, mountPath: /run/secrets/penstock, readOnly: true}
    - {name: data, mountPath: /var/lib/penstock}
    - {name: tmp, mountPath: /tmp}
{{- end }}

{{- define "penstock.volumes" -}}
- name: secrets
  secret:
    secretName: {{ required "secret.name: the name of a Secret with the operator's token and the buyers' key; deploy/helm/README.md makes one" .Values.secret.name }}
    defaultMode: 0440
- name: tmp
  emptyDir: {}
{{- end }}
