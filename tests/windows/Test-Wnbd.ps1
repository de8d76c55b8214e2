# SPDX-License-Identifier: LGPL-2.1-only
<#
.SYNOPSIS
Tries WNBD on a real Windows machine and writes a report to send back. docs/windows-testing.md explains it.

.DESCRIPTION
For a machine that may be lost: it installs a kernel driver, maps a disk, ERASES that disk and formats it. It touches no
disk other than those that it has mapped itself. It was written without a Windows machine at hand and has never been
run.

.PARAMETER Package
The folder with wnbd.inf, wnbd.sys, wnbd.cat, libwnbd.dll and wnbd-client.exe.

.PARAMETER Server
The NBD server.

.PARAMETER Export
The name of an export of at least 256 MiB. Its content is lost.

.PARAMETER Port
The server's port.

.PARAMETER Report
The file to write, by default wnbd-report.txt in the current folder.

.PARAMETER Skip
Steps to leave out, by name.

.EXAMPLE
.\Test-Wnbd.ps1 -Package C:\wnbd -Server 192.0.2.1 -Export scratch -Skip Cluster
#>
[CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High')]
param(
    [Parameter(Mandatory = $true)] [string] $Package,
    [Parameter(Mandatory = $true)] [string] $Server,
    [Parameter(Mandatory = $true)] [string] $Export,
    [int] $Port = 10809,
    [string] $Report = (Join-Path -Path (Get-Location) -ChildPath 'wnbd-report.txt'),
    [string[]] $Skip = @()
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

$script:Name = 'wnbd-test-' + [Guid]::NewGuid().ToString('N').Substring(0, 8)
$script:Client = Join-Path -Path $Package -ChildPath 'wnbd-client.exe'
$script:Failed = 0
$script:Letter = $null

function Write-Report {
    param([string] $Text)

    Write-Information -MessageData $Text -InformationAction Continue
    Add-Content -LiteralPath $Report -Value $Text -Encoding UTF8
}

function Invoke-Client {
    param([string[]] $Arguments)

    # Native programs write errors to a stream that PowerShell 5.1 would take for exceptions.
    $ErrorActionPreference = 'Continue'
    $text = & $script:Client @Arguments 2>&1 | Out-String
    $status = $LASTEXITCODE
    "> wnbd-client $Arguments`n$text(status $status)"
    if ($status -ne 0) {
        throw "wnbd-client $Arguments failed with status $status."
    }
}

# Runs one step, unless it is left out, and says how it went.
function Invoke-Step {
    param([string] $Step, [scriptblock] $Action)

    if ($Skip -contains $Step) {
        Write-Report "SKIP $Step"
        return
    }
    $start = Get-Date
    try {
        & $Action | ForEach-Object { Write-Report "  $_" }
        Write-Report ('PASS {0} ({1:n1} s)' -f $Step, ((Get-Date) - $start).TotalSeconds)
    } catch {
        $script:Failed++
        Write-Report ('FAIL {0}: {1}' -f $Step, $_)
        Write-Report $_.ScriptStackTrace
    }
}

# The disk of this run: by its serial number, which is the instance's name, and never by a number that was seen before.
function Get-TestDisk {
    $disks = @(Get-Disk | Where-Object { "$($_.SerialNumber)".Trim() -eq $script:Name })
    if ($disks.Count -ne 1) {
        throw "$($disks.Count) disks have the serial number $($script:Name)."
    }
    if ($disks[0].IsBoot -or $disks[0].IsSystem) {
        throw 'The disk is said to be one of the system. Nothing is written.'
    }
    return $disks[0]
}

# Its one partition with a letter.
function Get-TestDiskPartition {
    Get-TestDisk | Get-Partition | Where-Object { $_.DriveLetter }
}

function Wait-Until {
    param([scriptblock] $Condition, [int] $Seconds, [string] $What)

    $limit = (Get-Date).AddSeconds($Seconds)
    while (-not (& $Condition)) {
        if ((Get-Date) -gt $limit) {
            throw "$What did not happen within $Seconds s."
        }
        Start-Sleep -Milliseconds 200
    }
}

$identity = New-Object -TypeName Security.Principal.WindowsPrincipal -ArgumentList (
    [Security.Principal.WindowsIdentity]::GetCurrent())
if (-not $identity.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
    throw 'This needs an elevated prompt.'
}
if (-not $PSCmdlet.ShouldProcess("export $Export of $Server", 'Erase')) {
    return
}
Set-Content -LiteralPath $Report -Value "WNBD on $env:COMPUTERNAME, $(Get-Date -Format o)" -Encoding UTF8

Invoke-Step -Step 'Machine' -Action {
    $system = Get-CimInstance -ClassName Win32_OperatingSystem
    "$($system.Caption) $($system.Version), $([Math]::Round($system.TotalVisibleMemorySize / 1MB)) GiB"
    (& bcdedit.exe /enum '{current}') | Select-String -Pattern 'testsigning'
    try { "Secure Boot: $(Confirm-SecureBootUEFI)" } catch { "Secure Boot: none ($_)" }
    $guard = Get-CimInstance -Namespace root\Microsoft\Windows\DeviceGuard -ClassName Win32_DeviceGuard
    "Memory integrity runs: $($guard.SecurityServicesRunning -contains 2)"
    (& verifier.exe /querysettings) | Where-Object { $_ }
}

Invoke-Step -Step 'Signature' -Action {
    foreach ($file in 'wnbd.sys', 'wnbd.cat') {
        $signature = Get-AuthenticodeSignature -LiteralPath (Join-Path -Path $Package -ChildPath $file)
        "$file`: $($signature.Status), $(if ($signature.SignerCertificate) { $signature.SignerCertificate.Subject })"
    }
    $catalog = Get-AuthenticodeSignature -LiteralPath (Join-Path -Path $Package -ChildPath 'wnbd.cat')
    if ($catalog.Status -ne 'Valid') {
        throw 'Windows does not trust the catalog: see docs/windows-testing.md.'
    }
    $state = Test-FileCatalog -CatalogFilePath (Join-Path -Path $Package -ChildPath 'wnbd.cat') `
        -Path @('wnbd.sys', 'wnbd.inf' | ForEach-Object { Join-Path -Path $Package -ChildPath $_ }) -Detailed
    $state | Format-List | Out-String
}

Invoke-Step -Step 'Install' -Action {
    Invoke-Client -Arguments @('install-driver', (Join-Path -Path $Package -ChildPath 'wnbd.inf'))
    Invoke-Client -Arguments @('version')
    Invoke-Client -Arguments @('list-opt')
    Get-PnpDevice -Class SCSIAdapter | Where-Object { $_.FriendlyName -like 'WNBD*' } | Format-List | Out-String
}

Invoke-Step -Step 'Map' -Action {
    Invoke-Client -Arguments @('map', $script:Name, $Server, '--port', "$Port", '--export-name', $Export)
    Wait-Until -Seconds 30 -What 'The arrival of the disk' -Condition {
        @(Get-Disk | Where-Object { "$($_.SerialNumber)".Trim() -eq $script:Name }).Count -eq 1
    }
    Get-TestDisk | Format-List | Out-String
    Invoke-Client -Arguments @('list')
    Invoke-Client -Arguments @('show', $script:Name)
}

Invoke-Step -Step 'Format' -Action {
    $disk = Get-TestDisk
    if ($disk.IsOffline) {
        $disk | Set-Disk -IsOffline $false
    }
    if ($disk.PartitionStyle -ne 'RAW') {
        $disk | Clear-Disk -RemoveData -RemoveOEM -Confirm:$false
    }
    Get-TestDisk | Initialize-Disk -PartitionStyle GPT
    $partition = Get-TestDisk | New-Partition -UseMaximumSize -AssignDriveLetter
    $partition | Format-Volume -FileSystem NTFS -NewFileSystemLabel 'wnbd' -Confirm:$false | Format-List | Out-String
    $script:Letter = $partition.DriveLetter
}

Invoke-Step -Step 'Copy' -Action {
    $source = Join-Path -Path $env:TEMP -ChildPath "$($script:Name).bin"
    $copy = "$($script:Letter):\copy.bin"
    $bytes = New-Object -TypeName byte[] -ArgumentList 64MB
    (New-Object -TypeName Random -ArgumentList 1).NextBytes($bytes)
    [IO.File]::WriteAllBytes($source, $bytes)
    try {
        Copy-Item -LiteralPath $source -Destination $copy
        Write-VolumeCache -DriveLetter $script:Letter
        # Read back from the server, not from Windows' cache: the disk goes and comes again.
        Invoke-Client -Arguments @('unmap', $script:Name)
        Invoke-Client -Arguments @('map', $script:Name, $Server, '--port', "$Port", '--export-name', $Export)
        Wait-Until -Seconds 30 -What 'The return of the volume' -Condition {
            try { @(Get-TestDiskPartition).Count -eq 1 } catch { $false }
        }
        $script:Letter = (Get-TestDiskPartition).DriveLetter
        $copy = "$($script:Letter):\copy.bin"
        $before, $after = (Get-FileHash -LiteralPath $source).Hash, (Get-FileHash -LiteralPath $copy).Hash
        "$before $after"
        if ($before -ne $after) {
            throw 'What was read back is not what was written.'
        }
    } finally {
        Remove-Item -LiteralPath $source
    }
    Invoke-Client -Arguments @('stats', $script:Name)
}

Invoke-Step -Step 'Check' -Action {
    Repair-Volume -DriveLetter $script:Letter -Scan
    Optimize-Volume -DriveLetter $script:Letter -ReTrim
}

# The server has to enlarge the export meanwhile, which this script cannot do: it only asks.
Invoke-Step -Step 'Resize' -Action {
    $before = (Get-TestDisk).Size
    Read-Host -Prompt 'Enlarge the export on the server, unless that is not wanted, and press Enter' | Out-Null
    Update-HostStorageCache
    $after = (Get-TestDisk).Size
    "$before bytes before, $after bytes after"
    if ($after -gt $before) {
        $partition = Get-TestDiskPartition
        $most = (Get-PartitionSupportedSize -DiskNumber $partition.DiskNumber `
                -PartitionNumber $partition.PartitionNumber).SizeMax
        $partition | Resize-Partition -Size $most
    }
}

# Only where this machine is a node with the failover clustering tools.
Invoke-Step -Step 'Cluster' -Action {
    if (-not (Get-Command -Name Test-Cluster -ErrorAction SilentlyContinue)) {
        'There are no failover clustering tools.'
        return
    }
    $result = Test-Cluster -Node $env:COMPUTERNAME -Include 'Storage' -Disk (Get-TestDisk).Number
    "The report is $($result.FullName): send it along."
}

Invoke-Step -Step 'Events' -Action {
    Get-WinEvent -FilterHashtable @{ LogName = 'System'; StartTime = (Get-Date).AddHours(-1); Level = 1, 2, 3 } `
        -ErrorAction SilentlyContinue | Where-Object { $_.ProviderName -match 'wnbd|disk|storport|ntfs|volmgr' } |
        Select-Object -First 100 -Property TimeCreated, ProviderName, Id, Message | Format-List | Out-String
}

Invoke-Step -Step 'Unmap' -Action {
    Invoke-Client -Arguments @('unmap', $script:Name)
    Wait-Until -Seconds 30 -What 'The departure of the disk' -Condition {
        @(Get-Disk | Where-Object { "$($_.SerialNumber)".Trim() -eq $script:Name }).Count -eq 0
    }
}

Invoke-Step -Step 'Uninstall' -Action {
    Invoke-Client -Arguments @('uninstall-driver')
    $left = @(Get-CimInstance -ClassName Win32_SystemDriver | Where-Object { $_.Name -eq 'wnbd' -and
                $_.State -eq 'Running' })
    if ($left.Count -ne 0) {
        throw 'The driver still runs.'
    }
}

Write-Report "$($script:Failed) steps failed. The report is $Report."
exit $script:Failed
