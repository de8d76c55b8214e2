# SPDX-License-Identifier: LGPL-2.1-only
<#
.SYNOPSIS
Removes all WNBD disks and every WNBD driver, then installs the driver that lies beside this script.

.DESCRIPTION
Disks are removed at once, whoever uses them: close what is open on them first. Programs that serve disks end with an
error. Windows may ask for a restart.

.PARAMETER TrustTestCertificate
Makes this machine trust wnbd-test.cer, the test certificate beside this script, and with it everything that its owner
signs. Needed once per machine and certificate, for a driver that was signed with it.

.EXAMPLE
.\reinstall.ps1 -TrustTestCertificate
#>
[CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
param(
    [switch] $TrustTestCertificate
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

$client = Join-Path -Path $PSScriptRoot -ChildPath 'wnbd-client.exe'
$inf = Join-Path -Path $PSScriptRoot -ChildPath 'wnbd.inf'
$certificate = Join-Path -Path $PSScriptRoot -ChildPath 'wnbd-test.cer'

function Invoke-Client {
    param([string[]] $Arguments)

    & $client @Arguments
    if ($LASTEXITCODE -ne 0) {
        throw "wnbd-client $Arguments failed with status $LASTEXITCODE."
    }
}

$identity = [Security.Principal.WindowsIdentity]::GetCurrent()
$principal = New-Object -TypeName Security.Principal.WindowsPrincipal -ArgumentList $identity
if (-not $principal.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
    throw 'This needs an elevated prompt: start PowerShell with "Run as administrator".'
}
$needed = @('wnbd-client.exe', 'libwnbd.dll', 'wnbd.inf', 'wnbd.sys', 'wnbd.cat')
if ($TrustTestCertificate) {
    $needed += 'wnbd-test.cer'
}
foreach ($name in $needed) {
    if (-not (Test-Path -LiteralPath (Join-Path -Path $PSScriptRoot -ChildPath $name))) {
        throw "$name is missing: it has to lie beside this script."
    }
}

if ($TrustTestCertificate -and $PSCmdlet.ShouldProcess($certificate, 'Trust everything that is signed with it')) {
    foreach ($store in @('Root', 'TrustedPublisher')) {
        Import-Certificate -FilePath $certificate -CertStoreLocation "Cert:\LocalMachine\$store" | Out-Null
    }
}
if ($PSCmdlet.ShouldProcess('all WNBD disks and drivers of this machine', 'Remove')) {
    Invoke-Client -Arguments @('uninstall-driver')
}
if ($PSCmdlet.ShouldProcess($inf, 'Install the driver')) {
    Invoke-Client -Arguments @('install-driver', $inf)
    Invoke-Client -Arguments @('version')
}
